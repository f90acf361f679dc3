"""The line in which jobs wait for the device."""

from collections.abc import Iterator
from itertools import chain, zip_longest

from engine.service.jobs import Job

__all__ = ["Line"]


class Line:
    """Jobs in the order in which they are to start: owners take turns, each with jobs in a row.

    So somebody with one job waits for one job of each of the others, however many those have.
    Not thread-safe, as Job.
    """

    def __init__(self) -> None:
        self._turns: dict[str, list[Job]] = {}

    def __iter__(self) -> Iterator[Job]:
        rounds = zip_longest(*self._turns.values())
        return (job for job in chain.from_iterable(rounds) if job is not None)

    def __len__(self) -> int:
        return sum(map(len, self._turns.values()))

    def of(self, owner: str) -> list[Job]:
        """The jobs of one owner, in their order."""
        return list(self._turns.get(owner, ()))

    def add(self, job: Job) -> None:
        """Put `job` behind the others of its owner."""
        self._turns.setdefault(job.owner, []).append(job)

    def put_back(self, job: Job) -> None:
        """Make `job`, which was taken out of the line, the first of it again."""
        own = self._turns.pop(job.owner, [])
        self._turns = {job.owner: [job, *own], **self._turns}

    def start(self, job: Job) -> None:
        """Take `job`, the first of the line, out of it: its owner's next turn is the last."""
        own = self._turns.pop(job.owner)
        own.remove(job)
        if own:
            self._turns[job.owner] = own

    def remove(self, job: Job) -> bool:
        """Take `job` out of the line; False when it was not in it."""
        own = self._turns.get(job.owner, [])
        if job not in own:
            return False
        own.remove(job)
        if not own:
            del self._turns[job.owner]
        return True

    def move(self, job: Job, place: int) -> None:
        """Bring `job` to place 0, 1, ... among the waiting jobs of its owner, if it waits."""
        own = self._turns.get(job.owner, [])
        if job in own:
            own.remove(job)
            own.insert(place, job)
