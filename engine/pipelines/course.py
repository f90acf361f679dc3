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
    fresh: the scheduler or the guidance is not that of the last turn.
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
    Raises `EngineError` for settings that cannot be, and for an `own` that is not for the model.
    """

    def __init__(
        self, own: Any, settings: Settings, control: Control, device: torch.device
    ) -> None:
        if reason := misplaced(own):
            raise EngineError(f"{reason} Give the pipeline a scheduler that fits its model.")
        self._own, self._control, self._device = own, control, device
        self.settings = settings.changed(Change(0, **control.begin()))
        as_it_is = not (self.settings.scheduler or self.settings.schedule_type)
        self.scheduler = own if as_it_is else self._make(self.settings)
        self.scheduler.set_timesteps(self.settings.steps, device=device)
        self.calls = 0
        """How many calls of the model were made."""
        self.steps = 0
        """How many steps were begun, of those that were asked for."""
        self._index = 0  # of the next call, in the scheduler's schedule
        self._before = 0  # steps that were done with other schedules

    @property
    def guided(self) -> bool:
        """Whether classifier-free guidance is on."""
        return self.guidance_scale > 1

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
    def all_steps(self) -> int:
        """How many steps the whole run makes."""
        return self._before + int(self.scheduler.num_inference_steps)

    def turns(self) -> Iterator[Turn]:
        """Walk to the end. Raises `RunCancelled` before the next call when asked to."""
        last: tuple[Any, bool] | None = None
        while self._index < len(self.scheduler.points):
            self._control.check(self.steps)
            taken: tuple[Taken, ...] = ()
            carry = 1.0
            if self.scheduler.points[self._index].stage == 0:
                taken, carry = self._steer()
                self.steps += 1
            present = (self.scheduler, self.guided)
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
        for change in self._control.take(self.calls):
            try:
                settings = self.settings.changed(change.check())
                if settings == self.settings:
                    continue
                if replace(self.settings, guidance_scale=settings.guidance_scale) != settings:
                    scheduler = self._rest(settings)
            except EngineError as error:
                taken.append(Taken(change, str(error)))
            else:
                self.settings = settings
                taken.append(Taken(change))
        carry = 1.0
        if scheduler is not self.scheduler:
            carry = scheduler.points[0].scale / self.scheduler.points[self._index].scale
            self._before, self.scheduler, self._index = self.steps, scheduler, 0
        return tuple(taken), carry

    def _rest(self, settings: Settings) -> Any:
        """A scheduler for what is left of the run, from the level where the sample is now."""
        scheduler = self._make(settings)
        if self.calls == 0:
            scheduler.set_timesteps(settings.steps, device=self._device)
            return scheduler
        most = scheduler.config.num_train_timesteps
        if settings.steps > most:
            raise RequestError(
                f"steps is {settings.steps}; choose 1 to {most}, the number of timesteps that the "
                "model was trained on."
            )
        left = max(1, settings.steps - self.steps)
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
