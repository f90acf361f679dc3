"""What can be asked of a run while it goes on."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from engine.errors import RunCancelled
from engine.pipelines.changes import Change, Taken

__all__ = ["Control"]


class Control:
    """Shared between the thread that runs and those that steer; a run reads it between steps."""

    def __init__(self) -> None:
        self._cancel = threading.Event()
        self._finish = threading.Event()
        self._lock = threading.Lock()
        self._asked: list[Change] = []
        self._planned: list[Change] = []
        self.first: Mapping[str, Any] = {}
        """What the run begins with, beside the arguments of its pipeline: as in a `Change`."""

    def prepare(self, first: Mapping[str, Any], planned: Iterable[Change]) -> None:
        """Set `first`, and the changes that the run is to meet, in any order."""
        self.first = first
        self._planned = sorted(planned, key=lambda change: change.call)

    def begin(self) -> Mapping[str, Any]:
        """Return `first`, which holds for one run."""
        first, self.first = self.first, {}
        return first

    def change(self, **settings: Any) -> None:
        """Ask for other settings from the next step on: fields of a `Change`, without the call.

        The next `Progress` tells what came of it.
        """
        change = Change(0, **settings)
        with self._lock:
            # one that sets the same has not been met yet, and never will be
            others = [c for c in self._asked if c.settings.keys() != change.settings.keys()]
            self._asked = [*others, change]

    def take(self, call: int) -> list[Taken]:
        """The changes that are due before a call of the model, each once, in order."""
        due = [change for change in self._planned if change.call <= call]
        self._planned = self._planned[len(due) :]
        with self._lock:
            asked, self._asked = self._asked, []
        return [
            Taken(replace(change, call=call), live)
            for live, changes in ((False, due), (True, asked))
            for change in changes
        ]

    def cancel(self) -> None:
        """Ask the run to end before its next step."""
        self._cancel.set()

    def finish(self) -> None:
        """Ask that no image be begun after those in hand."""
        self._finish.set()

    @property
    def finishing(self) -> bool:
        """Whether the images in hand are to be the last."""
        return self._finish.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether the run was asked to end."""
        return self._cancel.is_set()

    def check(self, step: int) -> None:
        """Raise `RunCancelled` if asked to end; step: how many were begun."""
        if self.cancelled:
            raise RunCancelled(step)
