"""What may be changed while a run goes on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from engine.errors import EngineError, RequestError
from engine.pipelines.limits import check_number, check_text
from engine.schedulers.registry import split_name
from engine.schedulers.schedule_types import type_named

__all__ = ["Change", "Taken", "check_sampler"]


@dataclass(frozen=True)
class Change:
    """After `call` calls of the model, the settings that are not None take these values.

    It waits for the end of a step that calls the model several times. scheduler, schedule_type,
    guidance_scale: as in a `Request`. steps: the new number of steps of the whole run, of which at
    least one is always left.
    """

    call: int
    scheduler: str | None = None
    schedule_type: str | None = None
    guidance_scale: float | None = None
    steps: int | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Those that change, by name."""
        values = {name: value for name, value in asdict(self).items() if name != "call"}
        return {name: value for name, value in values.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that say something, fit for JSON."""
        return {"call": self.call, **self.settings}

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Make a change of the fields of `to_dict`; raises `RequestError` for what is none."""
        known = [field.name for field in fields(cls)]
        if not isinstance(values, Mapping) or "call" not in values or set(values) - set(known):
            raise RequestError(f"changes has {values!r}; known fields: {', '.join(known)}.")
        return cls(**values)

    def check(self) -> Self:
        """Return the change itself, or raise a `RequestError` that names the field."""
        check_number("call", self.call)
        if not self.settings:
            raise RequestError(f"the change after call {self.call} changes nothing.")
        for name, value in self.settings.items():
            if name in ("scheduler", "schedule_type"):
                check_text(name, value)
            else:
                check_number(name, value)
        check_sampler(self.scheduler or "", self.schedule_type or "")
        return self


@dataclass(frozen=True)
class Taken:
    """A change that a run has met.

    live: it was asked for on the way. refused: why the run goes on as before, "" where it does not.
    """

    change: Change
    live: bool = False
    refused: str = ""


def check_sampler(scheduler: str, schedule_type: str) -> None:
    """Raise a `RequestError` for names that are unknown, or say two different schedule types."""
    try:
        named = split_name(scheduler)[1] if scheduler else ""
        asked = type_named(schedule_type)
    except EngineError as error:
        raise RequestError(str(error)) from None
    if named and asked and named != asked:
        raise RequestError(f"scheduler is {scheduler!r}, but schedule_type is {asked!r}: say one.")
