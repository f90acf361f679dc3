"""Jobs, who may see them, and the line in which they wait."""

import asyncio
import dataclasses
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from engine.pipelines.request import Request
from engine.service.errors import JobNotFound, QueueFull
from engine.service.events import TERMINAL, Event, Queued, Step

__all__ = ["Job", "Jobs"]

Watcher = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class Job:
    """One run for one owner, with what a watcher who comes now needs to know of it.

    Not thread-safe: the service holds its lock around every call.
    """

    def __init__(
        self, owner: str, request: Request, previews: bool, pictures: Mapping[str, str]
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.owner = owner
        self.request = request
        self.previews = previews
        self.pictures = pictures
        self.changes: list[Mapping[str, Any]] = []
        self.asked = 0  # changes, met or not
        """Settings that are to change before it begins."""
        self.attempts = 0
        self.cancelling = False
        self.events: list[Event] = []
        self._number = 0
        self._watchers: set[Watcher] = set()

    @property
    def begun(self) -> bool:
        """Whether a worker has reported anything of it."""
        return not isinstance(self.events[-1], Queued)

    @property
    def reached(self) -> tuple[int, int]:
        """The step and the call of the model that were reported last; 0 before the first."""
        reached = [(event.step, event.call) for event in self.events if isinstance(event, Step)]
        return max(reached, default=(0, 0))

    @property
    def ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], TERMINAL)

    def publish(self, event: Event) -> None:
        """Number `event` and wake the watchers. Nothing follows a terminal event."""
        if self.ended:
            return
        self._number += 1
        event = dataclasses.replace(event, job=self.id, number=self._number, time=time.time())
        self.events = [old for old in self.events if not _replaces(event, old)]
        self.events.append(event)
        for loop, wake in self._watchers:
            with suppress(RuntimeError):  # that watcher's loop is closed
                loop.call_soon_threadsafe(wake.set)

    def since(self, number: int) -> list[Event]:
        return [event for event in self.events if event.number > number]

    def watch(self, wake: asyncio.Event) -> Watcher:
        """Have `wake` set, in the loop that runs now, at every new event."""
        watcher = (asyncio.get_running_loop(), wake)
        self._watchers.add(watcher)
        return watcher

    def unwatch(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)


def _replaces(new: Event, old: Event) -> bool:
    """Whether nobody needs `old` once there is `new`.

    So a job keeps two steps at most, the newest and the newest with a picture: a slow watcher skips
    previews rather than fall behind, and a late one has a picture at once. The film is kept whole:
    it has 16 frames at most, of 45 kB each at the very most, noise of 256 pixels.
    """
    if isinstance(new, Step) and isinstance(old, Step):
        return old.preview is None or new.preview is not None
    return isinstance(new, Queued) and isinstance(old, Queued)


class Jobs:
    """Every job that is kept: those that wait, the one that runs, and the latest that ended.

    Not thread-safe, as Job.
    """

    max_waiting = 64
    max_ended = 256

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Job] = OrderedDict()
        self._waiting: list[Job] = []

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def add(self, job: Job) -> None:
        """Put `job` at the end of the line; QueueFull when the line is as long as may be."""
        if len(self._waiting) >= self.max_waiting:
            raise QueueFull(
                f"The queue is full: {len(self._waiting)} jobs are waiting, and it holds "
                f"{self.max_waiting}. Try again when one of them has started."
            )
        self._kept[job.id] = job
        self._waiting.append(job)
        job.publish(Queued(position=len(self._waiting)))

    def find(self, job: str, owner: str) -> Job:
        """The job of this id, if it is this owner's; else JobNotFound."""
        found = self._kept.get(job)
        if found is None or found.owner != owner:
            raise JobNotFound(
                f"There is no job {job!r} of yours: it is not known here, or so long ago that it "
                "was dropped. Finished pictures stay on disk."
            )
        return found

    @property
    def first(self) -> Job | None:
        """The next job of the line, or None when none waits."""
        return self._waiting[0] if self._waiting else None

    def remove(self, job: Job) -> bool:
        """Take `job` out of the line, and tell the others; False when it was not in it."""
        if job not in self._waiting:
            return False
        gone = self._waiting.index(job)
        del self._waiting[gone]
        self._tell(gone)
        return True

    def put_back(self, job: Job) -> None:
        """Make `job`, which was taken out of the line, the first of it again."""
        self._waiting.insert(0, job)
        self._tell(0)

    def prune(self) -> None:
        """Forget the oldest of the jobs that ended, down to as many as are kept."""
        ended = [job for job in self._kept.values() if job.ended]
        for job in ended[: max(0, len(ended) - self.max_ended)]:
            del self._kept[job.id]

    def _tell(self, first: int) -> None:
        """Publish the positions from index `first` of the line on."""
        for position, job in enumerate(self._waiting[first:], start=first + 1):
            job.publish(Queued(position=position))
