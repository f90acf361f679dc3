"""The noise levels of a model, the schedule of a run, and finding one's place in it."""

import operator
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from engine.checkpoints.layout import SCHEDULER
from engine.checkpoints.repository import Hub, locate
from engine.config import Configured, read_json
from engine.errors import EngineError
from engine.schedulers import tables
from engine.schedulers.points import PREDICTIONS, Plan, Point
from engine.schedulers.tables import Array

__all__ = ["Schedule"]


class Schedule(Configured):
    """From settings to steps in numbers, and from a timestep to its step.

    An element (or slice) of `timesteps` tells its index by where it lies in that tensor, which
    needs no look at its value. Any other timestep is looked up by value; that waits for the device
    if it is a tensor there.
    """

    config_name: ClassVar[str] = "scheduler_config.json"
    order: ClassVar[int] = 1
    variance_preserving: ClassVar[bool] = True
    """Samples are x scaled to unit variance, as models take them; else they are x itself."""
    alpha_floor: ClassVar[float] = 1e-20
    """Stands for the zero that `rescale_betas_zero_snr` asks for: sigma is huge, not infinite."""

    timesteps: Tensor
    """Descending; what a denoising loop walks over."""
    sigmas: Tensor
    """Noise levels of the schedule and the one where it ends: float32, on the host."""
    num_inference_steps: int | None = None
    """None before `set_timesteps`: a step is then one of the training schedule's."""
    begin_index: int | None = None

    keys: ClassVar[frozenset[str]]
    """The configuration keys that this class has."""
    table: Array
    """Noise levels of the training timesteps: ascending."""
    _points: tuple[Point, ...]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.keys = frozenset(signature(cls.__init__).parameters) - {"self"}

    def __init__(self) -> None:
        config = self.config
        tables.choice("prediction_type", config.prediction_type, PREDICTIONS)
        tables.choice("timestep_spacing", config.timestep_spacing, tables.SPACINGS)
        if config.trained_betas is not None:
            betas = torch.tensor(config.trained_betas, dtype=torch.float32)
        else:
            ends = (config.beta_start, config.beta_end)
            betas = tables.betas(config.beta_schedule, *ends, config.num_train_timesteps)
        zero_snr = self.setting("rescale_betas_zero_snr", False)
        self.betas = tables.zero_terminal_snr(betas) if zero_snr else betas
        self.alphas_cumprod = (1.0 - self.betas).cumprod(0)
        if zero_snr:
            self.alphas_cumprod[-1] = self.alpha_floor
        self.table = tables.sigmas_of(self.alphas_cumprod)
        self._install(self.training_plan(), None)

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.config.to_json()}"

    def __len__(self) -> int:
        return self.config.num_train_timesteps

    def setting(self, key: str, default: Any) -> Any:
        """A configuration key if this class has it: those kept for other classes do not count."""
        return self.config[key] if key in self.keys else default

    def plan(self, steps: int) -> Plan:
        """The schedule of `steps` steps by the configuration."""
        raise NotImplementedError

    def training_plan(self) -> Plan:
        """The schedule before `set_timesteps`: all training timesteps."""
        raise NotImplementedError

    def custom_plan(self, timesteps: Array | None, sigmas: Array | None) -> Plan:
        """The schedule of given timesteps, or of noise levels, the last of which is its end."""
        raise EngineError(
            f"{type(self).__name__} takes no custom timesteps or sigmas: give num_inference_steps."
        )

    def reset(self) -> None:
        """Forget earlier steps: a rule with a history overrides this, and keeps it in `self`."""

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        timesteps: Sequence[float] | None = None,
        sigmas: Sequence[float] | None = None,
    ) -> None:
        """Compute the schedule of a run and forget the last one.

        num_inference_steps: 1 to `num_train_timesteps`. In its place, where the class takes them,
        descending custom `timesteps`, or `sigmas` including the final one.
        device: where `timesteps` lie. Raises `EngineError`.
        """
        if sum(given is not None for given in (num_inference_steps, timesteps, sigmas)) != 1:
            raise EngineError("Give exactly one of num_inference_steps, timesteps and sigmas.")
        if num_inference_steps is None:
            plan = self.custom_plan(
                _descending("timesteps", timesteps, 1), _descending("sigmas", sigmas, 2)
            )
            self.num_inference_steps = len(plan.timesteps)
        else:
            steps, most = operator.index(num_inference_steps), self.config.num_train_timesteps
            if not 1 <= steps <= most:
                raise EngineError(
                    f"num_inference_steps is {steps}; choose 1 to {most}, the number of timesteps "
                    "that the model was trained on."
                )
            plan = self.plan(steps)
            self.num_inference_steps = steps
        self._install(plan, device)
        self._points = self.points

    def _install(self, plan: Plan, device: torch.device | str | None) -> None:
        levels = plan.levels
        if levels is None:
            levels = np.append(plan.sigmas, plan.next_sigmas[-1:])
        self.timesteps = torch.tensor(plan.timesteps).to(device)
        self.sigmas = torch.tensor(levels, dtype=torch.float32)
        self.begin_index = None
        self._plan, self._next = plan, 0
        self._points = ()
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
        return plan.points(self.config.prediction_type, self.variance_preserving)

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Say that the next step is `timesteps[begin_index]`, as image-to-image starts."""
        self.begin_index = self._next = begin_index

    @property
    def step_index(self) -> int:
        """Index of the step that is expected next."""
        return self._next

    @property
    def init_noise_sigma(self) -> float:
        """Standard deviation of the sample that a whole schedule starts from."""
        return 1.0

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
        if self._next < len(points) and points[self._next].timestep == timestep:
            return points[self._next]
        if timestep not in self._places:
            near = min(self._places, key=lambda other: abs(other - timestep))
            raise EngineError(
                f"timestep {timestep} is not in the schedule of {len(points)} steps; the nearest "
                f"is {near}. Pass an element of scheduler.timesteps."
            )
        return points[self._places[timestep]]

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        subfolder: str | None = None,
        *,
        revision: str | None = None,
        cache_dir: Path | str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        **overrides: Any,
    ) -> Self:
        """Read `scheduler_config.json`, of this class or a relative, from a folder or the Hub.

        Where the subfolder has none, the folder itself is looked in. revision, cache_dir, token,
        local_files_only: as in `repository.Hub`. overrides: settings in place of the file's.
        Raises `CheckpointError`.
        """
        hub = Hub(revision, cache_dir, token, local_files_only)
        folder = locate(name, subfolder, SCHEDULER, hub)
        return cls.from_config(read_json(folder / cls.config_name), **overrides)

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `scheduler_config.json` into a folder, as diffusers does."""
        self.save_config(folder)


def _descending(name: str, values: Sequence[float] | None, least: int) -> Array | None:
    if values is None:
        return None
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < least or not (np.diff(array) < 0).all() or array[-1] < 0:
        raise EngineError(
            f"{name} are {array.tolist()}; give at least {least}, descending, none below 0."
        )
    return array
