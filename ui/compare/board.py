"""A grid while it fills: the cells, what happened to each, and how they differ."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from engine.service import JobNotFound, Service
from ui.compare.difference import differences
from ui.compare.plan import Plan
from ui.stream import IDLE, View, fold

__all__ = ["WAITING", "Board", "Cell", "failed"]

WAITING = View("queued", "Waiting")
GONE = "No longer known here. If its picture was finished, it lies in the outputs folder."


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    job: its id, "" for a run that was refused. view: where it is now. preview: JPEG of the latest.
    seconds: of drawing, up to the last step; loading and saving say nothing about a sampler.
    """

    job: str
    view: View = WAITING
    preview: bytes | None = None
    seconds: float = 0.0

    def seen(self, view: View) -> Self:
        """The cell once its run is at `view`."""
        seconds = self.seconds if view.phase == "done" else view.seconds
        return replace(self, view=view, preview=view.preview or self.preview, seconds=seconds)

    @property
    def path(self) -> str:
        """Of the finished picture; "" while there is none, and when it was deleted since."""
        if self.view.phase != "done" or not self.view.saved:
            return ""
        path = self.view.saved[0].path
        return path if Path(path).is_file() else ""


def failed(message: str) -> Cell:
    """The cell of a run that there is not, and why."""
    return Cell("", View("failed", message))


class Board:
    """The grid of one page. Changes in place: a reference may be picked while it fills.

    Runs are followed in the order in which they were submitted, as the queue lets them begin.
    """

    def __init__(self, plan: Plan, cells: Sequence[Cell], reference: int = 0) -> None:
        self.plan, self.cells, self.reference = plan, list(cells), reference
        self.differences: dict[int, float] = {}
        self._measured: tuple[int, int] = (-1, -1)

    @property
    def paths(self) -> dict[int, str]:
        """Index of a finished cell -> its PNG."""
        return {index: cell.path for index, cell in enumerate(self.cells) if cell.path}

    @property
    def known(self) -> bool:
        """Whether the service remembers any of it."""
        return any(cell.view.message != GONE for cell in self.cells)

    @property
    def running(self) -> bool:
        return any(cell.view.running for cell in self.cells)

    @property
    def calls(self) -> int:
        """How often the model was called for the cells so far."""
        return sum(cell.view.call for cell in self.cells)

    @property
    def seconds(self) -> float:
        """Spent on drawing so far."""
        return sum(cell.seconds for cell in self.cells)

    @property
    def left(self) -> float:
        """Seconds until the last cell, by what a call has taken so far; 0 when unknown."""
        ahead = sum(
            (cell.view.calls or request.steps) - cell.view.call
            for cell, request in zip(self.cells, self.plan.requests, strict=True)
            if cell.view.running
        )
        return ahead * self.seconds / self.calls if self.calls else 0.0

    async def follow(self, service: Service, owner: str) -> AsyncGenerator[None]:
        """Keep the cells up to date until all have ended; yields after every change."""
        for index, cell in enumerate(self.cells):
            if not cell.job:
                continue
            try:
                view = IDLE
                async for event in service.events(cell.job, owner):
                    view = fold(event, replace(view, preview=None))
                    self.cells[index] = self.cells[index].seen(view)
                    yield
            except JobNotFound:
                self.cells[index] = failed(GONE)
                yield

    async def measure(self) -> None:
        """Bring `differences` up to date; in a thread, as pictures may be large."""
        paths, reference = self.paths, self.reference
        if self._measured != (len(paths), reference):
            found = await asyncio.to_thread(differences, paths, reference)
            if reference == self.reference:  # nobody has picked another meanwhile
                self.differences, self._measured = found, (len(paths), reference)

    def to_dict(self) -> dict[str, Any]:
        """What the browser keeps to find the grid again; fit for JSON."""
        return {
            "plan": self.plan.to_dict(),
            "jobs": [cell.job for cell in self.cells],
            "problems": [cell.view.message if not cell.job else "" for cell in self.cells],
            "reference": self.reference,
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Board | None":
        """The board of a `to_dict`, before anything of it was followed; None for what is none."""
        try:
            plan = Plan.from_dict(kept["plan"])
            cells = [
                Cell(str(job)) if job else failed(str(problem))
                for job, problem in zip(kept["jobs"], kept["problems"], strict=True)
            ]
            reference = kept["reference"] if isinstance(kept["reference"], int) else 0
        except (LookupError, TypeError, ValueError):
            return None
        fits = len(cells) == len(plan.requests) and 0 <= reference < len(cells)
        return cls(plan, cells, reference) if fits else None
