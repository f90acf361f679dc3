"""The runs of a tab, among the jobs of an owner."""

from collections.abc import Collection

from engine.service import JobInfo, Service

__all__ = ["current", "jobs_of"]


def jobs_of(service: Service, owner: str, label: str, but: Collection[str] = ()) -> list[JobInfo]:
    """The jobs of a label, in the order in which they begin, without those of some ids."""
    return [job for job in service.jobs(owner) if job.label == label and job.id not in but]


def current(service: Service, owner: str, label: str) -> JobInfo | None:
    """The job of a label that runs, else the first that waits; None if there is neither."""
    return next((job for job in jobs_of(service, owner, label) if not job.ended), None)
