"""One run for one owner."""

import dataclasses
import secrets
import time
from collections.abc import Mapping
from typing import Any, TypeVar

from engine.pipelines.request import Request
from engine.service.events import (
    TERMINAL,
    Cancelled,
    Changed,
    Event,
    Failed,
    Finished,
    Frame,
    Queued,
    Saved,
    Started,
    Step,
)
from engine.service.watchers import Watchers

__all__ = ["Job", "JobInfo"]

E = TypeVar("E", bound=Event)

ENDS = {Finished: "done", Cancelled: "stopped", Failed: "failed"}


@dataclasses.dataclass(frozen=True)
class JobInfo:
    """A job as its owner sees it in a list.

    state: waiting, running, done, stopped or failed. position, starts: of a waiting one, as in
    Queued, else 0. created: unix time in seconds. label: as its owner wished.
    """

    id: str
    label: str
    request: Request
    state: str
    position: int
    starts: float
    created: float

    @property
    def ended(self) -> bool:
        return self.state not in ("waiting", "running")


class Job:
    """With what a watcher who comes now needs to know of it.

    started: whether a worker has it. attempts: of workers to begin it. changes: settings that are
    to change before it begins. asked: how many changes were asked for, met or not.
    unsaved: PNGs of images that could not be saved, trouble: why; with them the job ends as failed.
    Not thread-safe: the service holds its lock around every call.
    """

    def __init__(
        self,
        owner: str,
        request: Request,
        previews: bool,
        pictures: Mapping[str, str],
        label: str = "",
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.label = label
        self.owner = owner
        self.request = request
        self.previews = previews
        self.pictures = pictures
        self.created = time.time()
        self.changes: list[Mapping[str, Any]] = []
        self.asked = 0
        self.attempts = 0
        self.started = False
        self.cancelling = False
        self.unsaved: list[bytes] = []
        self.trouble = ""
        self.events: list[Event] = []
        self.watchers = Watchers()
        self._number = 0

    @property
    def begun(self) -> bool:
        """Whether a worker has reported anything of it."""
        # a change of one that waits can be refused
        return any(not isinstance(event, Queued | Changed) for event in self.events)

    @property
    def reached(self) -> tuple[int, int]:
        """The step and the call of the model that were reported last; 0 before the first."""
        step = self.last(Step)
        return (step.step, step.call) if step else (0, 0)

    @property
    def ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], TERMINAL)

    @property
    def images(self) -> int:
        """How many are finished."""
        return sum(isinstance(event, Saved) for event in self.events)

    @property
    def left(self) -> float | None:
        """Seconds that the run will still take by its own pace; None before its first step."""
        started, step = self.last(Started), self.last(Step)
        if started is None or step is None or step.number < started.number:
            return None
        done = (started.first + started.count * step.call / step.calls) / started.pictures
        each = step.calls / step.rate / started.count
        return each * started.pictures * (1 - done)

    @property
    def info(self) -> JobInfo:
        queued = None if self.started or self.ended else self.last(Queued)
        return JobInfo(
            id=self.id,
            label=self.label,
            request=self.request,
            state="waiting" if queued else ENDS.get(type(self.events[-1]), "running"),
            position=queued.position if queued else 0,
            starts=queued.starts if queued else 0.0,
            created=self.created,
        )

    def last(self, kind: type[E]) -> E | None:
        """The latest event of a kind."""
        return next((event for event in reversed(self.events) if isinstance(event, kind)), None)

    def publish(self, event: Event) -> None:
        """Number `event` and wake the watchers. Nothing follows a terminal event."""
        if self.ended:
            return
        if self.unsaved and isinstance(event, TERMINAL):
            event = Failed(message=self.trouble, pictures=tuple(self.unsaved))
        self._number += 1
        event = dataclasses.replace(event, job=self.id, number=self._number, time=time.time())
        self.events = [old for old in self.events if not _replaces(event, old)]
        self.events.append(event)
        self.watchers.wake()

    def since(self, number: int) -> list[Event]:
        return [event for event in self.events if event.number > number]

    def forget_film(self) -> None:
        """Give back the memory of pictures that hardly anybody will look at again."""
        self.events = [event for event in self.events if not isinstance(event, Frame | Step)]


def _replaces(new: Event, old: Event) -> bool:
    """Whether nobody needs `old` once there is `new`.

    So a job keeps two steps at most, the newest and the newest with a picture: a slow watcher skips
    previews rather than fall behind, and a late one has a picture at once. The film is kept whole:
    it has 16 frames at most, of 45 kB each at the very most, noise of 256 pixels.
    """
    match new, old:
        case Step(), Step():
            return old.preview is None or new.preview is not None
        case Frame(index=0), Frame():
            return True
        case (Queued(), Queued()) | (Started(), Started()):
            return True
    return False
