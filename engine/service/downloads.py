"""Downloads of models that people asked for. They need no device, so they go on beside the runs."""

import asyncio
import logging
import secrets
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

from engine.checkpoints.cached import HubModels, split_name
from engine.checkpoints.download import (
    BEST,
    Download,
    Plan,
    Progress,
    TransferStopped,
    plan_download,
)
from engine.errors import EngineError
from engine.service.errors import JobNotFound, QueueFull
from engine.service.watchers import Watchers

__all__ = ["DownloadInfo", "Downloads"]

OPEN = ("waiting", "running")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DownloadInfo:
    """A download as its owner sees it in a list.

    name, variant: as it was asked for. state: waiting, running, done, stopped or failed.
    plan: None until the Hub has told it; `plan.name` is the model in the list of models.
    progress: None as long. message: why it failed, for the person who asked, or "".
    """

    id: str
    name: str
    variant: str | None
    state: str
    plan: Plan | None
    progress: Progress | None
    message: str

    @property
    def ended(self) -> bool:
        return self.state not in OPEN


class _Job:
    """One of them; the lock of `Downloads` is held around every change."""

    def __init__(self, name: str, variant: str | None, owner: str) -> None:
        self.id = secrets.token_urlsafe(16)
        self.name, self.variant, self.owner = name, variant, owner
        self.state, self.message = "waiting", ""
        self.download: Download | None = None

    @property
    def ended(self) -> bool:
        return self.state not in OPEN

    @property
    def info(self) -> DownloadInfo:
        one = self.download
        plan, progress = (one.plan, one.progress) if one else (None, None)
        return DownloadInfo(
            self.id, self.name, self.variant, self.state, plan, progress, self.message
        )


class Downloads:
    """Every download that is kept: those that wait, that go on, and the latest that ended.

    hub: what may be downloaded, and where to. All but `plan` return at once and may be called from
    any thread, `watch` from any event loop.
    """

    at_once = 2
    max_waiting = 16
    max_ended = 64
    tick = 0.5
    """Seconds between two looks of a watcher at one that goes on."""

    def __init__(self, hub: HubModels) -> None:
        self.hub = hub
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []  # by age
        self._threads: set[threading.Thread] = set()
        self._watchers = Watchers()
        self._stopped = False

    def plan(self, name: str, variant: str | None = BEST) -> Plan:
        """As `plan_download`; waits for the Hub. For the page to show before anything is fetched.

        Raises EngineError.
        """
        return plan_download(name, variant, self.hub)

    def start(self, name: str, owner: str, variant: str | None = BEST) -> str:
        """Have a model downloaded and return the id; of one that goes on already, the same.

        Raises EngineError for what may not be used here, QueueFull.
        """
        self.hub.check(split_name(name)[0])
        with self._lock:
            open_ = [job for job in self._jobs if not job.ended]
            for job in open_:
                if (job.name, job.variant, job.owner) == (name, variant, owner):
                    return job.id
            if sum(job.state == "waiting" for job in open_) >= self.max_waiting:
                raise QueueFull(
                    f"{self.max_waiting} downloads are waiting: try again when one has started."
                )
            job = _Job(name, variant, owner)
            self._jobs.append(job)
            self._dispatch()
            return job.id

    def cancel(self, id: str, owner: str) -> None:
        """End one; what came of it is kept for the next time. Raises JobNotFound."""
        with self._lock:
            job = next((job for job in self._jobs if (job.id, job.owner) == (id, owner)), None)
            if job is None:
                raise JobNotFound("No download of yours has this id (any more).")
            self._cancel(job)

    def of(self, owner: str) -> list[DownloadInfo]:
        """Those of an owner, the oldest first."""
        with self._lock:
            return [job.info for job in self._jobs if job.owner == owner]

    async def watch(self, owner: str) -> AsyncGenerator[list[DownloadInfo]]:
        """What `of` returns, now, at every change, and again and again while one goes on.

        Never ends of itself.
        """
        wake = asyncio.Event()
        with self._lock:
            watcher = self._watchers.add(wake)
        try:
            while True:
                yield (infos := self.of(owner))
                going = any(info.state == "running" for info in infos)
                with suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), self.tick if going else None)
                wake.clear()
        finally:
            with self._lock:
                self._watchers.remove(watcher)

    def stop(self) -> None:
        """End all; returns when nothing is written any more, or a Hub that hangs is left alone."""
        with self._lock:
            self._stopped = True
            for job in self._jobs:
                self._cancel(job)
            threads = list(self._threads)
        for thread in threads:
            thread.join(2)

    def _cancel(self, job: _Job) -> None:
        if job.download:
            job.download.cancel()
        self._end(job, "stopped")  # at once, though its thread may still wait for an answer

    def _dispatch(self) -> None:
        """Start those whose turn it is."""
        for job in self._jobs:
            if job.state == "waiting" and len(self._threads) < self.at_once and not self._stopped:
                job.state = "running"
                thread = threading.Thread(
                    target=self._work, args=[job], name="download", daemon=True
                )
                self._threads.add(thread)
                thread.start()
        ended = [job for job in self._jobs if job.ended]
        for job in ended[: -self.max_ended]:
            self._jobs.remove(job)
        self._watchers.wake()

    def _work(self, job: _Job) -> None:
        state, message = "done", ""
        try:
            self._fetch(job)
        except TransferStopped:
            state = "stopped"
        except EngineError as error:
            state, message = "failed", str(error)
        except Exception as error:
            log.exception("A download failed")
            state, message = "failed", f"Internal error ({type(error).__name__}): see the log."
        with self._lock:
            self._threads.discard(threading.current_thread())
            self._end(job, state, message)
            self._dispatch()

    def _fetch(self, job: _Job) -> None:
        plan = self.plan(job.name, job.variant)
        with self._lock:
            if job.state != "running":  # cancelled meanwhile
                return
            job.download = Download(plan, self.hub)
            self._watchers.wake()
        job.download.run()

    def _end(self, job: _Job, state: str, message: str = "") -> None:
        if not job.ended:
            job.state, job.message = state, message
            self._watchers.wake()
