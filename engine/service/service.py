"""Jobs for people, done by a worker that may die: the part that everything else talks to."""

import asyncio
import secrets
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.checkpoints.catalog import find_model
from engine.errors import EngineError, RequestError
from engine.pipelines.changes import Change
from engine.pipelines.limits import MAX_CHANGES
from engine.pipelines.request import Request
from engine.service.errors import WorkerDown
from engine.service.events import TERMINAL, Cancelled, Changed, Event, Failed, Saved
from engine.service.history import History
from engine.service.job import Job, JobInfo
from engine.service.jobs import Jobs
from engine.service.messages import Cancel, Finish, Picture, Ready, Run, Steer
from engine.service.presence import Presence
from engine.service.supervisor import STOPPED, Supervisor
from engine.service.tally import Tally
from engine.service.workers import Worker

__all__ = ["Service"]


class Service:
    """Owns the queue, the jobs, the worker and the pictures. Every method returns at once.

    worker_factory: makes a worker, again whenever one has died.
    outputs: folder for pictures, made when the first one is written.
    models: folder of model folders.
    quota: bytes of pictures that an owner is asked to keep within, 0 for no limit.
    history: the pictures of all owners; its index is complete soon after the start.

    All may be called from any thread; `events` and `query` from any event loop.
    """

    def __init__(
        self, worker_factory: Callable[[], Worker], outputs: Path, models: Path, quota: int = 0
    ) -> None:
        self._supervisor = Supervisor(worker_factory, self._receive, self._worker_died)
        self.history = History(outputs, quota)
        self._models = models
        self._lock = threading.RLock()  # around the jobs; never held over slow work
        self._jobs = Jobs()
        self._presence = Presence(self._cancel_waiting)

    def start(self) -> None:
        """Start the worker; jobs may be submitted before."""
        self._supervisor.start()
        threading.Thread(target=self.history.match, name="index", daemon=True).start()

    def stop(self) -> None:
        """End the worker and every job; returns when the worker is gone."""
        self._supervisor.stop()
        with self._lock:
            self._fail_waiting(STOPPED)
        self.history.index.close()

    @property
    def status(self) -> dict[str, Any]:
        """`state`: starting, ready, busy or dead; `device`, `dtype` and `pid` of the worker, None
        until it is ready; `message`: what went wrong with it last, or ""; `waiting`: jobs in line.
        """
        with self._lock:
            ready = self._supervisor.ready
            if ready is not None:
                state = "ready" if self._jobs.running is None else "busy"
            elif self._supervisor.failures or self._supervisor.stopped:
                state = "dead"
            else:
                state = "starting"
            return {
                "state": state,
                "device": ready and ready.device,
                "dtype": ready and ready.dtype,
                "pid": ready and ready.pid,
                "message": self._supervisor.message,
                "waiting": self._jobs.waiting,
            }

    def tally(self) -> Tally:
        """What was done since the start, in figures, and how many jobs there are."""
        with self._lock:
            return Tally.of(self._jobs, self._supervisor)

    def submit(
        self, request: Request, owner: str, *, previews: bool = True, label: str = ""
    ) -> str:
        """Put a run in line and return the id of its job.

        owner: any text that only this owner knows; the job answers to nobody else.
        previews: whether steps carry pictures. label: tells it apart in the list of `jobs`.
        Raises RequestError, also for a picture that this owner did not give, EngineError for an
        unknown model, QueueFull, or WorkerDown when the engine does not start.
        """
        request.check()
        info = find_model(self._models, request.model)
        request.check_for(info.scheduler_config)
        if request.task not in info.tasks:
            raise RequestError(
                f"task is {request.task!r}; model {info.name!r}, a {info.pipeline}, can do: "
                f"{', '.join(info.tasks) or 'nothing that is known here'}."
            )
        pictures = {field: str(self.given(name, owner)) for field, name in request.pictures.items()}
        with self._lock:
            if self._supervisor.stopped:
                raise WorkerDown(STOPPED)
            if self._supervisor.given_up:
                raise WorkerDown(self._supervisor.message)
            job = Job(owner, request, previews, pictures, label)
            self._jobs.add(job)
            self._dispatch()
            return job.id

    async def events(self, job: str, owner: str, after: int = 0) -> AsyncIterator[Event]:
        """What happened and happens to a job, from the event after number `after` to the last.

        Steps that were passed while nobody looked are left out. Raises JobNotFound.
        """
        wake = asyncio.Event()
        with self._lock:
            found = self._jobs.find(job, owner)
            watcher = found.watchers.add(wake)
        try:
            while True:
                with self._lock:
                    news, ended = found.since(after), found.ended
                for event in news:
                    after = event.number
                    yield event
                if ended:
                    return
                await wake.wait()
                wake.clear()
        finally:
            with self._lock:
                found.watchers.remove(watcher)

    def jobs(self, owner: str) -> list[JobInfo]:
        """The jobs of an owner: the ended ones that are kept, by age, then the one that runs, then
        those that wait, in their order."""
        with self._lock:
            return self._jobs.of(owner)

    async def watch_jobs(self, owner: str) -> AsyncGenerator[list[JobInfo]]:
        """What `jobs` returns, now and whenever one comes, starts, ends or moves in the line.

        Never ends of itself.
        """
        wake = asyncio.Event()
        with self._lock:
            watcher = self._jobs.watchers(owner).add(wake)
        try:
            while True:
                yield self.jobs(owner)
                await wake.wait()
                wake.clear()
        finally:
            with self._lock:
                self._jobs.watchers(owner).remove(watcher)
                self._jobs.forget(owner)

    def cancel(self, job: str, owner: str) -> None:
        """End a job: at once when it waits, within one step when it runs. Raises JobNotFound."""
        with self._lock:
            found = self._jobs.find(job, owner)
            if self._jobs.remove(found):
                found.publish(Cancelled())
                self._jobs.prune()
            elif found is self._jobs.running:
                self._interrupt(found)

    def finish(self, job: str, owner: str) -> None:
        """Let a job that runs end with the images that it draws now. Raises JobNotFound."""
        with self._lock:
            if self._jobs.find(job, owner) is self._jobs.running:
                with suppress(WorkerDown):
                    self._supervisor.send(Finish(job))

    def move(self, job: str, owner: str, place: int) -> None:
        """Have a job that waits start as number `place`, from 0, of those of this owner that wait.
        The turns of others stay as they are. Raises JobNotFound.
        """
        with self._lock:
            self._jobs.move(self._jobs.find(job, owner), place)

    def enter(self, owner: str, page: str, *, cancels: bool) -> None:
        """A page of this owner is open, or still is. page: a name for it.

        cancels: once all pages are closed, and none is opened again soon, the jobs of this owner
        that wait are cancelled.
        """
        self._presence.enter(owner, page, cancels)

    def leave(self, owner: str, page: str) -> None:
        """A page was closed."""
        self._presence.leave(owner, page)

    def change(self, job: str, owner: str, **settings: Any) -> None:
        """Change settings of a job, as a `Change` has them: from the next step on when it runs,
        from the start when it waits; one that ended stays as it is.

        A `Changed` event tells that it took effect, or why not; none comes where nothing changes,
        or where the run is over before it is met. Raises JobNotFound, and RequestError for more
        than MAX_CHANGES of one job.
        """
        change, refused = Change(0, **settings), ""
        try:
            settings = change.check().settings
        except RequestError as error:
            refused = str(error)
        with self._lock:
            found = self._jobs.find(job, owner)
            if found.ended:
                return
            found.asked += 1
            if found.asked > MAX_CHANGES:
                raise RequestError(f"A run takes {MAX_CHANGES} changes at most: let it end.")
            if refused:
                step, call = found.reached
                found.publish(Changed(step=step + 1, call=call, settings={}, refused=refused))
                return
            if not found.begun:  # for the worker that will take it, or take it again
                found.changes.append(settings)
            if found is self._jobs.running:
                with suppress(WorkerDown):
                    self._supervisor.send(Steer(found.id, settings))

    async def query(self, name: str, **arguments: Any) -> Any:
        """The worker's answer, also while it works.

        figures: of its component cache. schedule, with model, scheduler, schedule_type and steps:
        the `class`, `config`, `timesteps` and `sigmas` of that schedule, its `steps`, and how many
        `calls` of the model it makes. model, with model: the class of its `pipeline`, and of each
        of its `components` the name, class, number of parameters and configuration. depth, with
        model and picture, the path of a file: how far things are in it, as the estimator of that
        model sees it, a JPEG in base64, white is near; only this one loads weights.
        Raises WorkerDown when there is no worker, EngineError for what has no answer.
        """
        return await self._supervisor.query(name, arguments)

    def take(self, data: bytes, owner: str) -> str:
        """Keep a picture that runs of this owner may begin with, and return its name for a Request.

        data: a whole PNG, JPEG or WebP file. Decodes it and waits for the disk. Raises
        PictureError for what is none or too large, EngineError when there is no room.
        """
        return self.history.take(data, owner)

    def given(self, name: str, owner: str) -> Path:
        """The file of a picture that `take` returned the name of; raises RequestError."""
        return self.history.given(name, owner)

    def keep(self, png: bytes, owner: str) -> str:
        """Have a picture that was made of others safely on disk, and return its path.

        png: a whole PNG file. Unlike the other methods it waits for the disk. Raises EngineError
        when there is no room.
        """
        return str(self.history.save(png, owner, f"grid-{secrets.token_urlsafe(8)}", 0))

    def _worker_died(self, message: str) -> None:
        with self._lock:
            if self._jobs.running is not None:
                self._settle(self._jobs.running, message)
                self._jobs.end()
            if self._supervisor.given_up:
                self._fail_waiting(message)

    def _settle(self, job: Job, message: str) -> None:
        """End a job whose worker died, unless that worker can hardly have seen it."""
        if job.cancelling:
            job.publish(Cancelled(step=job.reached[0]))
        elif not job.begun and job.attempts < 2 and not self._supervisor.stopped:
            self._jobs.put_back(job)
        else:
            job.publish(Failed(message=message))

    def _fail_waiting(self, message: str) -> None:
        while (job := self._jobs.first) is not None:
            self._jobs.remove(job)
            job.publish(Failed(message=message))
        self._jobs.prune()

    def _cancel_waiting(self, owner: str) -> None:
        with self._lock:
            for info in self._jobs.of(owner):
                if info.state == "waiting":
                    self.cancel(info.id, owner)

    def _receive(self, report: Ready | Picture | Event) -> None:
        if isinstance(report, Picture):
            self._save(report)
            return
        with self._lock:
            if isinstance(report, Event):
                job = self._jobs.running
                assert job is not None, "events come from a run"
                job.publish(report)
                if not isinstance(report, TERMINAL):
                    if job.unsaved:  # what was drawn at once with it has come, too
                        self._interrupt(job)
                    return
                self._jobs.end()
            self._dispatch()

    def _save(self, picture: Picture) -> None:
        """Have the picture on disk, then announce it. Outside the lock: a disk takes its time."""
        job = self._jobs.running
        assert job is not None, "pictures come from a run"
        try:
            path = self.history.save(picture.png, job.owner, job.id, picture.index)
        except EngineError as error:
            with self._lock:
                job.unsaved.append(picture.png)
                job.trouble = str(error)
            return
        saved = Saved(
            index=picture.index,
            seed=picture.seed,
            variation_seed=picture.variation_seed,
            path=str(path),
            width=picture.width,
            height=picture.height,
        )
        with self._lock:
            job.publish(saved)

    def _dispatch(self) -> None:
        """Give the next job to the worker if it is free."""
        job = self._jobs.first
        if job is None or self._jobs.running is not None:
            return
        with suppress(WorkerDown):  # then the next worker takes it
            changes = tuple(job.changes)
            self._supervisor.send(Run(job.id, job.request, job.previews, changes, job.pictures))
            job.attempts += 1
            self._jobs.start(job)

    def _interrupt(self, job: Job) -> None:
        if job.cancelling:
            return
        job.cancelling = True
        with suppress(WorkerDown):
            self._supervisor.send(Cancel(job.id))
