"""What travels between the service and its worker, beside the events of the running job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.pipelines.request import Request
from engine.service.events import Event

__all__ = [
    "Answer",
    "Broken",
    "Cancel",
    "Command",
    "Finish",
    "Picture",
    "Query",
    "Ready",
    "Report",
    "Run",
    "Steer",
]


@dataclass(frozen=True)
class Run:
    """Do `request` after the runs that were sent before it.

    changes: settings that were changed while the job waited.
    pictures: field of the request -> file of the picture that it names.
    """

    job: str
    request: Request
    previews: bool
    changes: tuple[Mapping[str, Any], ...] = ()
    pictures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cancel:
    """End the run of `job` before its next step."""

    job: str


@dataclass(frozen=True)
class Finish:
    """End the run of `job` with the images that it draws now."""

    job: str


@dataclass(frozen=True)
class Steer:
    """Change settings of the run of `job` from its next step on."""

    job: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Query:
    """Answer at once, also in mid-run; `number` comes back with the Answer."""

    number: int
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ready:
    """The worker takes runs. device: `cpu`, ...; dtype: `float32`, ...; pid: its process."""

    device: str
    dtype: str
    pid: int


@dataclass(frozen=True)
class Broken:
    """The worker cannot start, and why."""

    message: str


@dataclass(frozen=True)
class Picture:
    """A finished image of the running job as PNG bytes with its metadata; sizes in pixels.

    index, seed, variation_seed: as in Saved.
    """

    index: int
    seed: int
    png: bytes
    width: int
    height: int
    variation_seed: int | None = None


@dataclass(frozen=True)
class Answer:
    """To the Query of the same number: a JSON-able value, or the text of what went wrong."""

    number: int
    value: Any = None
    error: str | None = None


Command = Run | Cancel | Finish | Steer | Query
Report = Ready | Broken | Picture | Answer | Event
