"""The jobs of all owners: who may see them, which is next, and when."""

import dataclasses
import time
from collections import OrderedDict

from engine.service.errors import JobNotFound, QueueFull
from engine.service.events import Finished, Queued
from engine.service.job import Job, JobInfo
from engine.service.line import Line
from engine.service.pace import Pace
from engine.service.tally import Totals
from engine.service.watchers import Watchers

__all__ = ["Jobs"]

MOVED = 1.0
"""Seconds by which an estimate may move before it is told."""


class Jobs:
    """Every job that is kept: those that wait, the one that runs, and the latest that ended.

    Not thread-safe, as Job.
    """

    max_waiting = 256
    """In all."""
    max_own = 64
    """That wait for one owner."""
    max_ended = 256
    max_films = 32
    """Of the jobs that ended so many keep the pictures of their course."""

    def __init__(self) -> None:
        self.running: Job | None = None
        self.submitted = 0
        self.refused = 0
        """As the line was full."""
        self._dropped = Totals()
        self._kept: OrderedDict[str, Job] = OrderedDict()
        self._line = Line()
        self._pace = Pace()
        self._lists: dict[str, Watchers] = {}

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def owners(self) -> int:
        """How many have a job that waits or runs."""
        return len({job.owner for job in self._kept.values() if not job.ended})

    @property
    def totals(self) -> Totals:
        """Of all jobs there were."""
        totals = dataclasses.replace(self._dropped)
        for job in self._kept.values():
            totals.add(job)
        return totals

    @property
    def first(self) -> Job | None:
        """The next job of the line, or None when none waits."""
        return next(iter(self._line), None)

    def add(self, job: Job) -> None:
        """Put `job` in line; QueueFull when that is as long as may be."""
        if full := self._full(job.owner):
            self.refused += 1
            raise QueueFull(full)
        self.submitted += 1
        self._kept[job.id] = job
        self._line.add(job)
        self._tell(job)

    def _full(self, owner: str) -> str:
        """Why the line takes no job of this owner, or ""."""
        if len(self._line) >= self.max_waiting:
            return (
                f"The queue is full: {len(self._line)} jobs are waiting, and it holds "
                f"{self.max_waiting}. Try again when one of them has started."
            )
        if len(self._line.of(owner)) >= self.max_own:
            return (
                f"{self.max_own} jobs of yours are waiting, which is as many as one may have "
                "there: remove one of them, or wait until one has started."
            )
        return ""

    def find(self, job: str, owner: str) -> Job:
        """The job of this id, if it is this owner's; else JobNotFound."""
        found = self._kept.get(job)
        if found is None or found.owner != owner:
            raise JobNotFound(
                f"There is no job {job!r} of yours: it is not known here, or so long ago that it "
                "was dropped. Finished pictures stay on disk."
            )
        return found

    def of(self, owner: str) -> list[JobInfo]:
        """The jobs of an owner: those that ended and the one that runs by age, then the line."""
        waiting = self._line.of(owner)
        others = [one for one in self._kept.values() if one.owner == owner and one not in waiting]
        return [job.info for job in (*others, *waiting)]

    def watchers(self, owner: str) -> Watchers:
        """Of what `of` returns."""
        return self._lists.setdefault(owner, Watchers())

    def forget(self, owner: str) -> None:
        """Drop the watchers of an owner if there are none."""
        if not self._lists.get(owner):
            self._lists.pop(owner, None)

    def start(self, job: Job) -> None:
        """Have `job`, the first of the line, be the one that runs."""
        self._line.start(job)
        self.running = job
        job.started = True
        self._tell(job)

    def end(self) -> None:
        """Note that the job that ran has ended, or was put back."""
        job, self.running = self.running, None
        assert job is not None, "a job runs"
        last = job.events[-1]
        if isinstance(last, Finished) and job.images:
            self._pace.learn(job.request, job.images, last.drawing)
        self.prune()
        self._tell(job)

    def remove(self, job: Job) -> bool:
        """Take `job` out of the line, and tell the others; False when it was not in it."""
        if not self._line.remove(job):
            return False
        self._tell(job)
        return True

    def put_back(self, job: Job) -> None:
        """Make `job`, which was started, the first of the line again."""
        self._line.put_back(job)
        job.started = False

    def move(self, job: Job, place: int) -> None:
        """Bring `job` to place 0, 1, ... among the waiting jobs of its owner, if it waits."""
        self._line.move(job, place)
        self._tell(job)

    def prune(self) -> None:
        """Forget the oldest of the jobs that ended, down to as many as are kept."""
        ended = [job for job in self._kept.values() if job.ended]
        for job in ended[: -self.max_films]:
            job.forget_film()
        for job in ended[: max(0, len(ended) - self.max_ended)]:
            self._dropped.add(self._kept.pop(job.id))

    def _tell(self, changed: Job) -> None:
        """Publish where the waiting jobs stand now, and when each is likely to start."""
        owners = {changed.owner}
        starts: float | None = time.time()
        if self.running is not None:
            starts = _later(starts, self.running.left, self._pace.estimate(self.running.request))
        for position, job in enumerate(self._line, start=1):
            last = job.last(Queued)
            if (
                last is None
                or last.position != position
                or abs(last.starts - (starts or 0)) > MOVED
            ):
                job.publish(Queued(position=position, starts=starts or 0.0))
                owners.add(job.owner)
            starts = _later(starts, self._pace.estimate(job.request))
        for owner in owners & self._lists.keys():
            self._lists[owner].wake()


def _later(start: float | None, *seconds: float | None) -> float | None:
    """A time and the first of the seconds that is known; None where nothing is."""
    known = next((one for one in seconds if one is not None), None)
    return None if start is None or known is None else start + known
