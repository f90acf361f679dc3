"""Errors that a person can act on: each says what, the value got, and what to do."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

__all__ = [
    "CheckpointError",
    "EngineError",
    "OutOfMemory",
    "PictureError",
    "RequestError",
    "RunCancelled",
    "unknown_name",
]


class EngineError(ValueError):
    """Something given to the engine is wrong; the message is fit to be shown as it is."""


class CheckpointError(EngineError):
    """A file or folder of weights or configuration is missing, damaged or not supported."""


class RequestError(EngineError):
    """A field of a request is outside what can be run."""


class PictureError(RequestError):
    """A picture, mask or depth map cannot be used."""


class OutOfMemory(EngineError):
    """The memory of the device does not hold what a run needs; says what would fit."""


class RunCancelled(Exception):
    """A run ended early because its control asked for it."""

    def __init__(self, step: int = 0) -> None:
        super().__init__(f"cancelled after step {step}")
        self.step = step


def unknown_name(
    what: str, name: str, known: Mapping[str, str], names: Iterable[str]
) -> EngineError:
    """The error for a name that is not one of `names`, with the nearest of what is `known`."""
    near = get_close_matches(" ".join(name.lower().split()), known, n=3, cutoff=0.4)
    nearest = ", ".join(dict.fromkeys(known[match] for match in near)) or "none is near"
    return EngineError(f"There is no {what} {name!r}. Nearest: {nearest}. All: {', '.join(names)}.")
