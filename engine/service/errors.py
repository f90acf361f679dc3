"""What a caller of the service may have to handle."""

from engine.errors import EngineError

__all__ = ["JobNotFound", "QueueFull", "WorkerDown"]


class JobNotFound(EngineError):
    """No job of this id belongs to this owner: unknown, dropped, or somebody else's."""


class QueueFull(EngineError):
    """As many jobs wait as the queue holds."""


class WorkerDown(EngineError):
    """The worker does not answer: it is starting, or it ended, or it cannot start at all."""
