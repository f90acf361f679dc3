"""What can be asked of a run while it goes on."""

import threading

from engine.errors import RunCancelled

__all__ = ["Control"]


class Control:
    """Shared between the thread that runs and those that steer; a run reads it between steps."""

    def __init__(self) -> None:
        self._cancel = threading.Event()

    def cancel(self) -> None:
        """Ask the run to end before its next step."""
        self._cancel.set()

    @property
    def cancelled(self) -> bool:
        """Whether the run was asked to end."""
        return self._cancel.is_set()

    def check(self, step: int) -> None:
        """Raise `RunCancelled` if asked to end; step: how many were done."""
        if self.cancelled:
            raise RunCancelled(step)
