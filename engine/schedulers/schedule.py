"""The schedule of a run, and finding one's place in it."""

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from engine.checks import by_place, within
from engine.errors import EngineError
from engine.schedulers import tables
from engine.schedulers.levels import Levels
from engine.schedulers.points import Plan, Point
from engine.schedulers.tables import Array

__all__ = ["Schedule"]


class Schedule(Levels):
    """From settings to steps in numbers, and from a timestep to its step.

    An element (or slice) of `timesteps` tells its index by where it lies in that tensor, which
    needs no look at its value. Any other timestep is looked up by value; that waits for the device
    if it is a tensor there.
    """

    spacing: ClassVar[str] = ""
    """Where a class has no setting for it: "leading" stays below the highest level."""
    whole_timesteps: ClassVar[bool] = False
    """Timesteps are int64 wherever they are whole; else always float32."""

    takes: ClassVar[tuple[str, ...]] = ("timesteps", "sigmas")
    """What `set_timesteps` takes after the device, in this order."""
    said: Mapping[str, Any] = MappingProxyType({})
    """What it was given of these for this run, beside timesteps and sigmas."""

    timesteps: Tensor
    """Descending; what a denoising loop walks over."""
    sigmas: Tensor
    """Noise levels of the schedule and the one where it ends: float32, on the host."""
    num_inference_steps: int | None = None
    """None before `set_timesteps`: a step is then one of the training schedule's."""

    begin_index: int | None = None
    """Of the first step, where `set_begin_index` has said it."""
    step_index: int | None = None
    """Of the next step, once there was one."""
    resumed: bool = False
    """The schedule is the rest of a run: it need not end where the model was trained to end."""
    _points: tuple[Point, ...]

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self._install(self.training_plan(), None)

    def through(self, timesteps: Array, sigmas: Array) -> Plan:
        """The calls of a run over such a grid; here one call a step."""
        return Plan(timesteps, sigmas[:-1], sigmas[1:])

    def plan(self, steps: int) -> Plan:
        """The schedule of `steps` steps."""
        return self.through(*self.levels(steps))

    def training_plan(self) -> Plan:
        """The schedule before `set_timesteps`: all training timesteps, a call each."""
        timesteps = np.arange(len(self.table))[::-1].astype(np.float64)
        return Schedule.through(self, timesteps, np.append(self.table[::-1], self.end_sigma))

    def custom_plan(self, timesteps: Array | None, sigmas: Array | None) -> Plan:
        """The schedule of given timesteps, or of noise levels, the last of which is its end."""
        if sigmas is not None:
            return self.through(self.timesteps_at(sigmas[:-1]), sigmas)
        assert timesteps is not None
        flow = "use_flow_sigmas" if self.scaling == "flow" else None
        if why := self.shape or flow or ("timestep_type" if self.continuous else None):
            raise EngineError(f"{why} makes its own timesteps: give sigmas, or switch it off.")
        return self.through(timesteps, np.append(self.sigmas_at(timesteps), self.end_sigma))

    def reset(self) -> None:
        """Forget earlier steps: a rule with a history overrides this, and keeps it in `self`."""

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        *given: Any,
        **named: Any,
    ) -> None:
        """Compute the schedule of a run and forget the last one.

        num_inference_steps: 1 to `num_train_timesteps`. In its place descending custom
        `timesteps`, or `sigmas` including the final one; of flow matching its own levels, before
        the shift and without the final one, and as many of each where several are given.
        device: where `timesteps` lie. given, named: what the class `takes`. Raises `EngineError`.
        """
        named = by_place("argument of set_timesteps", given, self.takes, named, Schedule.takes)
        timesteps, sigmas = named.pop("timesteps", None), named.pop("sigmas", None)
        custom = [levels for levels in (timesteps, sigmas) if levels is not None]
        counts = [len(levels) if hasattr(levels, "__len__") else 1 for levels in custom]
        counts += [] if num_inference_steps is None else [num_inference_steps]
        alone = len(counts) == 1 or (self.scaling == "flow" and len(counts) > 1)
        if not alone or counts.count(counts[0]) < len(counts):
            raise EngineError("Give exactly one of num_inference_steps, timesteps and sigmas.")
        self.said = {name: value for name, value in named.items() if value is not None}
        if custom:
            last = len(self) - ("beta_schedule" in self.keys)
            levels = (1, 1e-6, 1.0) if self.scaling == "flow" else (2, 0.0, math.inf)
            plan = self.custom_plan(
                _descending("timesteps", timesteps, 1, 0.0, last),
                _descending("sigmas", sigmas, *levels),
            )
            self.num_inference_steps = plan.steps
        else:
            most = self.config.num_train_timesteps
            steps = int(within("num_inference_steps", num_inference_steps, 1, most))
            own = not self.config.get("schedule_type")
            plan = self.plan(steps) if own else Schedule.plan(self, steps)
            self.num_inference_steps = steps
        self.resumed = False
        self._install(plan, device)

    def resume(
        self, sigma: float, steps: int, total: int, device: torch.device | str | None = None
    ) -> None:
        """Compute the schedule of the last `steps` of `total` steps, from the level of a sample.

        sigma: where another scheduler has brought the sample; not always a level of this one's.
        What earlier steps have shown is not known here, as at the start of a run.
        """
        timesteps, sigmas = self.levels(total)
        if sigma <= sigmas[-1] or sigmas[0] < sigmas[-1]:
            raise EngineError(f"{type(self).__name__} has no level below {sigma:.3g} to go on to.")
        levels, places = tables.rest_of(sigmas, sigma, steps)
        near = np.minimum(places[:-1].round().astype(int), total - 1)
        here = np.isclose(near, places[:-1])
        at = np.where(here, timesteps[near], self.timesteps_at(levels[:-1]))
        self.num_inference_steps, self.resumed = steps, True
        self._install(self.through(at, levels), device)

    def _install(self, plan: Plan, device: torch.device | str | None) -> None:
        timesteps = plan.timesteps.astype(np.float32)
        if self.whole_timesteps and np.allclose(timesteps, timesteps.round(), rtol=0, atol=1e-3):
            timesteps = timesteps.round().astype(np.int64)
        levels = np.append(plan.sigmas, plan.next_sigmas[-1:])
        if self.scaling == "flow":
            levels = tables.flow_levels(levels)
        self._plan = plan = replace(plan, timesteps=timesteps)
        self.timesteps = torch.tensor(timesteps).to(device)
        self.sigmas = torch.tensor(levels, dtype=torch.float32)
        self.begin_index = self.step_index = None
        self._points = ()
        if self.num_inference_steps is not None:
            self._points = self.points
        self.reset()

    @property
    def points(self) -> tuple[Point, ...]:
        """The steps of the schedule; those of the training schedule are made when first needed."""
        if not self._points:
            self._points = self.points_of(self._plan)
            self._places = {point.timestep: point.index for point in reversed(self._points)}
        return self._points

    def points_of(self, plan: Plan) -> tuple[Point, ...]:
        """The steps of any plan, for this scheduler's prediction type and scaling."""
        return plan.points(self.prediction_type, self.scaling)

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Say that the first step is `timesteps[begin_index]`, as image-to-image starts."""
        self.begin_index, self.step_index = begin_index, None

    @property
    def init_noise_sigma(self) -> float:
        """Standard deviation of the sample that a whole schedule starts from."""
        if self.scaling != "variance_exploding":
            return 1.0
        highest = float(self.sigmas.max())
        leading = self.setting("timestep_spacing", self.spacing) == "leading"
        return (highest**2 + 1) ** 0.5 if leading else highest

    def point(self, timestep: float | Tensor) -> Point:
        """The step at a timestep: sample = point.scale * (x0 + point.sigma * eps) holds there.

        Raises `EngineError` for a timestep that the schedule does not have.
        """
        if isinstance(timestep, Tensor):
            if timestep.untyped_storage() is self.timesteps.untyped_storage():
                return self.points[timestep.storage_offset()]
            timestep = timestep.item()
        points = self.points
        # a timestep can stand in a schedule twice: the one whose turn it is comes first
        turn = (self.begin_index or 0) if self.step_index is None else self.step_index
        if turn < len(points) and points[turn].timestep == timestep:
            return points[turn]
        if timestep not in self._places:
            near = min(self._places, key=lambda other: abs(other - timestep))
            raise EngineError(
                f"timestep {timestep} is not in the schedule of {len(points)} steps; the nearest "
                f"is {near}. Pass an element of scheduler.timesteps."
            )
        return points[self._places[timestep]]


def _descending(name: str, values: Any, least: int, lowest: float, highest: float) -> Any:
    if values is None:
        return None
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    right = array.ndim == 1 and len(array) >= least and np.isfinite(array).all()
    if not (right and (np.diff(array) < 0).all() and lowest <= array[-1] and array[0] <= highest):
        ends = f"from {highest} at most to {lowest} at least"
        raise EngineError(f"{name} are {values}; give {least} or more, descending, {ends}.")
    return array
