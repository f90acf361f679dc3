"""Runs for people: jobs, their events, and the worker that does them.

Nothing here imports torch but the worker's inside, which is imported in the worker.
"""

from typing import TYPE_CHECKING

from engine._lazy import attach

if TYPE_CHECKING:
    from engine.service.errors import JobNotFound as JobNotFound
    from engine.service.errors import QueueFull as QueueFull
    from engine.service.errors import WorkerDown as WorkerDown
    from engine.service.job import JobInfo as JobInfo
    from engine.service.service import Service as Service
    from engine.service.workers import InProcessWorker as InProcessWorker
    from engine.service.workers import ProcessWorker as ProcessWorker

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "InProcessWorker": "workers",
        "JobInfo": "job",
        "JobNotFound": "errors",
        "ProcessWorker": "workers",
        "QueueFull": "errors",
        "Service": "service",
        "WorkerDown": "errors",
    },
)
