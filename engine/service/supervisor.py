"""Keeps a worker alive."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from itertools import count
from typing import Any

from engine.errors import EngineError
from engine.service.channel import ChannelClosed
from engine.service.errors import WorkerDown
from engine.service.events import Event
from engine.service.messages import Answer, Broken, Command, Picture, Query, Ready
from engine.service.workers import Worker

__all__ = ["Supervisor"]

log = logging.getLogger(__name__)

STOPPED = "Stepwise was stopped."
STARTING = "The engine is still starting."


class Supervisor:
    """Starts a worker, and another one whenever it has died.

    on_report: called with Ready, pictures and events, in order, in a thread of the supervisor's.
    on_death: called in the same thread with a message for people, before the next worker starts.

    All methods may be called from any thread.
    """

    patience = 3
    """So many workers in a row may die of themselves before `given_up`."""
    pause = 1.0
    """Seconds before the next start after one such death; doubled with each."""
    longest_pause = 60.0
    proof = 10.0
    """Seconds after which a worker's death says nothing about the next one's."""

    def __init__(
        self,
        make_worker: Callable[[], Worker],
        on_report: Callable[[Ready | Picture | Event], None],
        on_death: Callable[[str], None],
    ) -> None:
        self._make_worker = make_worker
        self._on_report = on_report
        self._on_death = on_death
        self._lock = threading.Lock()  # around all that follows
        self._worker: Worker | None = None
        self.ready: Ready | None = None
        self.failures = 0
        self.starts = 0
        self.deaths = 0
        """Of workers that nobody stopped."""
        self.message = ""
        """What went wrong last, until a worker is ready."""
        self._numbers = count(1)
        self._queries: dict[int, Future[Any]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    @property
    def given_up(self) -> bool:
        """Whether the worker does not start, though it is tried again now and then."""
        return self.ready is None and self.failures >= self.patience

    @property
    def stopped(self) -> bool:
        return self._stopping.is_set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the worker for good; returns when it is gone."""
        self._stopping.set()
        with self._lock:
            if self._worker is not None:
                self._worker.stop()
        if self._thread.is_alive():
            self._thread.join()

    def send(self, command: Command) -> None:
        """Raises WorkerDown when there is no worker to take it."""
        with self._lock:
            if self._worker is None or self.ready is None:
                raise WorkerDown(self.message or STARTING)
            try:
                self._worker.send(command)
            except ChannelClosed as error:
                raise WorkerDown("The engine's process has just stopped.") from error

    async def query(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """As Service.query."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # whoever waits may go: the answer still has a place
        number = next(self._numbers)
        with self._lock:
            self._queries[number] = future
        try:
            self.send(Query(number, name, arguments))
        except WorkerDown:
            self._queries.pop(number, None)
            raise
        return await asyncio.wrap_future(future)

    def _supervise(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = self._employ()

    def _employ(self) -> float:
        """One worker from its start to its end; returns the seconds until the next may start."""
        began, proven, reason = time.monotonic(), False, ""
        try:
            with self._lock:
                worker = self._make_worker()
                worker.start()
                self._worker = worker
                self.starts += 1
        except OSError as error:
            return self._bury(str(error), proven)
        if self.stopped:  # stop() may have come too early to see this worker
            worker.stop()
        for report in worker.messages():
            if isinstance(report, Broken):
                reason = report.message
            elif isinstance(report, Answer):
                self._answer(report)
            else:
                proven = proven or isinstance(report, Event)
                self._pass_on(report)
        ended = worker.ended()
        return self._bury(reason or ended, proven or time.monotonic() - began > self.proof)

    def _pass_on(self, report: Ready | Picture | Event) -> None:
        if isinstance(report, Ready):
            with self._lock:
                self.ready, self.message = report, ""
        self._on_report(report)

    def _answer(self, answer: Answer) -> None:
        future = self._queries.pop(answer.number)
        if answer.error is None:
            future.set_result(answer.value)
        else:
            future.set_exception(EngineError(answer.error))

    def _bury(self, reason: str, proven: bool) -> float:
        """Settle what the worker left.

        proven: it has shown that it can work, so the next one can and starts at once.
        """
        with self._lock:
            started = self.ready is not None
            self.deaths += self._worker is not None and not self.stopped
            self._worker = self.ready = None
            self.failures = 0 if started and proven else self.failures + 1
            self.message = self._describe(reason, started)
            queries, self._queries = self._queries, {}
        log.log(logging.INFO if self.stopped else logging.WARNING, self.message)
        for future in queries.values():
            future.set_exception(WorkerDown(self.message))
        self._on_death(self.message)
        if not self.failures:
            return 0.0
        return min(self.longest_pause, self.pause * 2.0 ** min(self.failures - 1, 10))

    def _describe(self, reason: str, started: bool) -> str:
        if self.stopped:
            return STOPPED
        if started:
            return (
                f"The engine's process stopped unexpectedly ({reason}). "
                "A new one is starting; your other jobs go on."
            )
        return f"The engine does not start: {reason.rstrip('.')}. It is tried again now and then."
