"""The course of a run: which call of the model is next, and what changes on the way."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from engine.config import Config
from engine.errors import EngineError, RequestError
from engine.pipelines.changes import Change, Taken
from engine.pipelines.control import Control
from engine.pipelines.limits import check_trained, executed_steps
from engine.schedulers.points import Point
from engine.schedulers.registry import misplaced, scheduler_named, split_name, unfit_type
from engine.schedulers.schedule_types import settings_of_type, type_named

__all__ = ["Course", "Settings", "Turn", "named_config"]


@dataclass(frozen=True)
class Settings:
    """What of a run can change.

    scheduler: "" for the pipeline's own. schedule_type: "" for what the scheduler says.
    guidance_scale: None where the task takes none.
    """

    steps: int
    guidance_scale: float | None = None
    scheduler: str = ""
    schedule_type: str = ""

    def changed(self, change: Change) -> Self:
        """The settings after a change; a sampler that names no schedule type keeps the present.

        Raises `RequestError` for what the task does not take.
        """
        values = change.settings
        if self.guidance_scale is None and "guidance_scale" in values:
            raise RequestError("guidance_scale means nothing here: this model reads no text.")
        if "schedule_type" in values:
            values["schedule_type"] = type_named(values["schedule_type"])
        if change.scheduler:
            values["scheduler"], kind = split_name(change.scheduler)
            values["schedule_type"] = kind or values.get("schedule_type", self.schedule_type)
        return replace(self, **values)


@dataclass(frozen=True)
class Turn:
    """One call of the model.

    timestep: an element of the scheduler's `timesteps`.
    fresh: the scheduler, or what the model knows of the guidance, is not that of the last turn.
    carry: what the sample is to be multiplied by, for the scheduler's scale.
    taken: the changes that were met before this call.
    """

    point: Point
    timestep: Tensor
    fresh: bool
    carry: float
    taken: tuple[Taken, ...]


class Course:
    """Where a run stands; `settings` and `scheduler` are those of the turn in hand.

    own: the pipeline's scheduler, which is used as it is unless another one is asked for.
    distilled: the model reads the guidance scale, and is run once a call.
    strength: which part of the steps is made, as in `executed_steps`.
    Raises `EngineError` for settings that cannot be, and for an `own` that is not for the model.
    """

    all_steps: int
    """How many steps the whole run makes."""

    def __init__(
        self,
        own: Any,
        settings: Settings,
        control: Control,
        device: torch.device,
        strength: float = 1.0,
        *,
        distilled: bool = False,
    ) -> None:
        if reason := misplaced(own):
            raise EngineError(f"{reason} Give the pipeline a scheduler that fits its model.")
        self._own, self._control, self._device, self._strength = own, control, device, strength
        self._distilled = distilled
        self.settings = settings.changed(Change(0, **control.begin()))
        self.calls = 0
        """How many calls of the model were made."""
        self.steps = 0
        """How many steps were begun."""
        as_it_is = not (self.settings.scheduler or self.settings.schedule_type)
        scheduler = own if as_it_is else self._make(self.settings)
        self._begin(scheduler, self.settings.steps)
        self._enter(scheduler)

    @property
    def guided(self) -> bool:
        """Whether classifier-free guidance is on."""
        return self.guidance_scale > 1 and not self._distilled

    @property
    def guidance_scale(self) -> float:
        """1, which is without effect, where the task takes none."""
        scale = self.settings.guidance_scale
        return 1.0 if scale is None else scale

    @property
    def all_calls(self) -> int:
        """How many calls of the model the whole run makes."""
        return self.calls + len(self.scheduler.points) - self._index

    @property
    def following(self) -> Point | None:
        """The call after the one in hand, if nothing changes; None after the last."""
        ahead = self.scheduler.points[self._index + 1 :]
        return ahead[0] if ahead else None

    def check(self) -> None:
        """Raise `RunCancelled` when asked to."""
        self._control.check(self.steps)

    def turns(self) -> Iterator[Turn]:
        """Walk to the end. Raises `RunCancelled` before the next call when asked to."""
        last: tuple[Any, ...] | None = None
        while self._index < len(self.scheduler.points):
            self.check()
            taken: tuple[Taken, ...] = ()
            carry = 1.0
            if self.scheduler.points[self._index].stage == 0 or self.calls == 0:
                taken, carry = self._steer()
                self.steps += 1
            known = self.guidance_scale if self._distilled else self.guided
            present = (self.scheduler, known)
            yield Turn(
                self.scheduler.points[self._index],
                self.scheduler.timesteps[self._index],
                present != last,
                carry,
                taken,
            )
            last = present
            self._index += 1
            self.calls += 1

    def _steer(self) -> tuple[tuple[Taken, ...], float]:
        """Meet the changes that are due, and say what the sample is to be multiplied by."""
        taken, scheduler = [], self.scheduler
        for met in self._control.take(self.calls):
            try:
                settings = self.settings.changed(met.change.check())
                if settings == self.settings:
                    continue
                if replace(self.settings, guidance_scale=settings.guidance_scale) != settings:
                    scheduler = self._rest(settings)
            except EngineError as error:
                taken.append(replace(met, refused=str(error)))
            else:
                self.settings = settings
                taken.append(met)
        carry = 1.0
        if scheduler is not self.scheduler:
            scale = self.scheduler.points[self._index].scale
            self._enter(scheduler)
            carry = scheduler.points[self._index].scale / scale
        return tuple(taken), carry

    def _begin(self, scheduler: Any, steps: int) -> None:
        """Set a scheduler to what strength leaves of a run."""
        made = executed_steps(steps, self._strength)
        scheduler.set_timesteps(steps, device=self._device)
        scheduler.set_begin_index((steps - made) * scheduler.order)

    def _enter(self, scheduler: Any) -> None:
        """Go on with a scheduler, from where it begins."""
        self.scheduler = scheduler
        self._index = scheduler.begin_index or 0  # of the next call, in the scheduler's schedule
        later = scheduler.points[self._index + 1 :]
        self.all_steps = self.steps + 1 + sum(point.stage == 0 for point in later)

    def _rest(self, settings: Settings) -> Any:
        """A scheduler for what is left of the run, from the level where the sample is now."""
        scheduler = self._make(settings)
        if self.calls == 0:
            self._begin(scheduler, settings.steps)
            return scheduler
        check_trained(settings.steps, scheduler.config.num_train_timesteps)
        left = max(1, int(settings.steps * self._strength) - self.steps)
        sigma = self.scheduler.points[self._index].sigma
        scheduler.resume(sigma, left, settings.steps, self._device)
        return scheduler

    def _make(self, settings: Settings) -> Any:
        own = self._own
        if settings.scheduler:
            return scheduler_named(settings.scheduler, named_config(own), settings.schedule_type)
        if reason := unfit_type(settings.schedule_type, "", named_config(own)):
            raise EngineError(reason)
        kind = settings_of_type(settings.schedule_type, own.keys, own.config)
        return type(own).from_config(own.config, **kind)


def named_config(scheduler: Any) -> Config:
    """The settings of a scheduler with the name of its class, as in a checkpoint's file."""
    config = scheduler.config
    return Config({**config, "_class_name": type(scheduler).__name__}, config.given)
