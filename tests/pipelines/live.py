"""Runs whose settings are changed on the way."""

from dataclasses import dataclass, replace
from typing import Any

from engine.pipelines import Control, Request
from engine.pipelines.changes import Taken
from engine.pipelines.denoise import Progress

__all__ = ["Lived", "live"]


@dataclass(frozen=True)
class Lived:
    """What came of a run. record: the request with the changes that took effect."""

    seen: list[Progress]
    taken: list[Taken]
    record: Request
    image: bytes


def live(pipeline: Any, request: Request, after: dict[int, Any] | None = None) -> Lived:
    """Run a request; after so many calls of the model, these settings are asked for."""
    control, seen = Control(), list[Progress]()
    run = pipeline.stream_request(request, control)
    while True:
        if settings := (after or {}).get(len(seen)):
            control.change(**settings)
        try:
            seen.append(next(run))
        except StopIteration as stop:
            taken = [one for progress in seen for one in progress.taken]
            changes = tuple(one.change for one in taken if not one.refused)
            image = stop.value.images[0].tobytes()
            return Lived(seen, taken, replace(request, changes=changes), image)
