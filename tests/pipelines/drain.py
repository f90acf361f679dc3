"""Running a pipeline's stream to its end."""

from typing import Any

from engine.pipelines.pipeline import PipelineOutput

__all__ = ["drain"]


def drain(run: Any) -> tuple[list[Any], PipelineOutput]:
    """Return what a run yielded and what it returned."""
    seen = []
    while True:
        try:
            seen.append(next(run))
        except StopIteration as stop:
            return seen, stop.value
