"""Errors that a person can act on: each says what, the value got, and what to do."""

__all__ = ["CheckpointError", "EngineError", "RequestError", "RunCancelled"]


class EngineError(ValueError):
    """Something given to the engine is wrong; the message is fit to be shown as it is."""


class CheckpointError(EngineError):
    """A file or folder of weights or configuration is missing, damaged or not supported."""


class RequestError(EngineError):
    """A field of a request is outside what can be run."""


class RunCancelled(Exception):
    """A run ended early because its control asked for it."""

    def __init__(self, step: int = 0) -> None:
        super().__init__(f"cancelled after step {step}")
        self.step = step
