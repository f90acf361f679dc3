"""The worker's inside: a thread for the runs, one for what is said meanwhile, and for each kind of
question one that answers.

Run as `python -m engine.service.worker DESCRIPTOR ...` by ProcessWorker.
"""

import argparse
import logging
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from engine.errors import EngineError, RunCancelled
from engine.pipelines.control import Control
from engine.service.channel import Channel, ChannelClosed
from engine.service.events import Cancelled, Event, Failed, Step
from engine.service.messages import (
    Answer,
    Broken,
    Cancel,
    Command,
    Finish,
    Picture,
    Query,
    Ready,
    Run,
    Steer,
)

__all__ = ["Runner", "main", "serve"]

log = logging.getLogger(__name__)


class Runner(Protocol):
    """Does the runs."""

    device: str
    dtype: str

    def run(self, run: Run, control: Control) -> Iterator[Event | Picture]:
        """Yield what happens, Finished last. Raises RunCancelled when `control` says so."""

    def query(self, name: str, **arguments: Any) -> Any:
        """JSON-able answer, from any thread at any time. Raises EngineError for unknown names."""

    def release(self) -> None:
        """Give back the memory of a run that did not finish."""


def serve(
    channel: Channel,
    make_runner: Callable[[], Runner],
    on_close: Callable[[], None] = lambda: None,
) -> None:
    """Work until the other end closes the channel; `on_close` is then called in mid-run."""
    _Server(channel, on_close).work(make_runner)


class _Server:
    def __init__(self, channel: Channel, on_close: Callable[[], None]) -> None:
        self._channel = channel
        self._on_close = on_close
        self._runs: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._controls: dict[str, Control] = {}
        self._runner: Runner | None = None
        # by the name of the query: a cancel must not wait for an answer, nor a short one for a long
        self._answers: dict[str, ThreadPoolExecutor] = {}

    def work(self, make_runner: Callable[[], Runner]) -> None:
        # First of all, so that the end of the other process is noticed while this one starts.
        threading.Thread(target=self._listen, name="commands", daemon=True).start()
        try:
            if runner := self._start(make_runner):
                for run in iter(self._runs.get, None):
                    self._do(runner, run)
        except ChannelClosed:
            log.info("Nobody listens any more")
        finally:
            self._channel.close()

    def _start(self, make_runner: Callable[[], Runner]) -> Runner | None:
        try:
            runner = self._runner = make_runner()
        except Exception as error:
            self._channel.send(Broken(_explain(error)))
            return None
        self._channel.send(Ready(runner.device, runner.dtype, os.getpid()))
        return runner

    def _do(self, runner: Runner, run: Run) -> None:
        """One run, whatever comes of it."""
        step = 0
        outcome: Event
        try:
            for event in runner.run(run, self._controls[run.job]):
                step = event.step if isinstance(event, Step) else step
                self._channel.send(event)
            return
        except ChannelClosed:
            raise
        except RunCancelled:
            outcome = Cancelled(step=step)
        except Exception as error:
            outcome = Failed(message=_explain(error))
        finally:
            del self._controls[run.job]
        # Only here: inside `except` the traceback still holds the run's tensors.
        runner.release()
        self._channel.send(outcome)

    def _listen(self) -> None:
        for command in self._channel:
            self._obey(command)
        for control in list(self._controls.values()):
            control.cancel()
        self._runs.put(None)
        for answers in self._answers.values():
            answers.shutdown(wait=False, cancel_futures=True)
        self._on_close()

    def _obey(self, command: Command) -> None:
        match command:
            case Run(job=job, changes=changes):
                # Known before it starts, so that a cancel finds it however early it comes.
                self._controls[job] = Control()
                for settings in changes:
                    self._controls[job].change(**settings)
                self._runs.put(command)
            case Steer(job=job, settings=settings):
                if running := self._controls.get(job):
                    running.change(**settings)
            case Cancel(job=job):
                if running := self._controls.get(job):
                    running.cancel()
            case Finish(job=job):
                if running := self._controls.get(job):
                    running.finish()
            case Query(name=name):
                if name not in self._answers:
                    self._answers[name] = ThreadPoolExecutor(1, thread_name_prefix=name)
                self._answers[name].submit(self._answer, command)

    def _answer(self, query: Query) -> None:
        assert self._runner is not None, "queries come after Ready"
        try:
            answer = Answer(query.number, self._runner.query(query.name, **query.arguments))
        except Exception as error:
            answer = Answer(query.number, error=_explain(error))
        with suppress(ChannelClosed):
            self._channel.send(answer)


def _explain(error: Exception) -> str:
    """What a person is told; what a programmer needs goes to the log."""
    if not isinstance(error, EngineError):
        log.error("An error in the worker", exc_info=error)
    if isinstance(error, ValueError):
        return str(error)
    return f"Internal error ({type(error).__name__}): {error}"


def make_engine_runner(device: str, dtype: str, models: Path) -> Runner:
    from engine.service.runner import EngineRunner

    return EngineRunner(device, dtype, models)


def main(make_runner: Callable[[str, str, Path], Runner] = make_engine_runner) -> None:
    """Serve the ProcessWorker that started this, until its end of the socket closes."""
    parser = argparse.ArgumentParser(prog="engine.service.worker", description=__doc__)
    parser.add_argument("descriptor", type=int, help="of the inherited socket")
    parser.add_argument("--device", required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--models", required=True, type=Path)
    options = parser.parse_args()
    # Ctrl+C reaches every process of the terminal; when to end is for the other process to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="worker %(levelname)s %(name)s: %(message)s")
    os.set_inheritable(options.descriptor, False)
    serve(
        Channel(socket.socket(fileno=options.descriptor)),
        lambda: make_runner(options.device, options.dtype, options.models),
        # At once: nothing here is worth saving, and a step on a slow device may take a minute.
        on_close=lambda: os._exit(0),
    )


if __name__ == "__main__":
    main()
