"""Counts for who watches over the service."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from engine.service.events import Finished

if TYPE_CHECKING:
    from engine.service.job import Job
    from engine.service.jobs import Jobs
    from engine.service.supervisor import Supervisor

__all__ = ["Tally", "Totals"]


@dataclass
class Totals:
    """Sums over jobs.

    done, stopped, failed: how many ended so. images: that are safe on disk, of all jobs.
    seconds: that those which are done drew, their models being loaded.
    """

    done: int = 0
    stopped: int = 0
    failed: int = 0
    images: int = 0
    seconds: float = 0.0

    def add(self, job: "Job") -> None:
        """Count a job as it is now."""
        if job.ended:
            state = job.info.state
            setattr(self, state, getattr(self, state) + 1)
        self.images += job.images
        if end := job.last(Finished):
            self.seconds += end.drawing


@dataclass(frozen=True)
class Tally:
    """What the service did since it was made, and where it stands.

    submitted: jobs that were taken; refused: those that were not, as the queue was full.
    waiting, running, owners: jobs now, and how many owners have such.
    ready: whether a worker takes runs. given_up: whether none starts, again and again. stopped:
    whether the service was. starts, deaths: of workers; one that was stopped did not die.
    """

    submitted: int
    refused: int
    totals: Totals
    waiting: int
    running: int
    owners: int
    ready: bool
    given_up: bool
    stopped: bool
    starts: int
    deaths: int

    @classmethod
    def of(cls, jobs: "Jobs", supervisor: "Supervisor") -> Self:
        return cls(
            submitted=jobs.submitted,
            refused=jobs.refused,
            totals=jobs.totals,
            waiting=jobs.waiting,
            running=int(jobs.running is not None),
            owners=jobs.owners,
            ready=supervisor.ready is not None,
            given_up=supervisor.given_up,
            stopped=supervisor.stopped,
            starts=supervisor.starts,
            deaths=supervisor.deaths,
        )
