"""The service's side of a worker: a process of its own, or a thread of this one."""

import os
import signal
import socket
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.service.channel import Channel
from engine.service.messages import Command, Report

if TYPE_CHECKING:
    from engine.service.worker import Runner

__all__ = ["InProcessWorker", "ProcessWorker", "Worker"]

ROOT = Path(__file__).resolve().parents[2]
TUNING = {"GOMP_SPINCOUNT": "3000", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Threads that wait soon sleep instead of spinning, or a busy machine slows a run many times; and
large tensors lie in huge pages, as fresh small ones cost more than the sums in them."""


class Worker(ABC):
    """Starts once, ends once. All but `messages` and `ended` return at once."""

    _channel: Channel

    @abstractmethod
    def start(self) -> None:
        """Raises OSError when it cannot."""

    def messages(self) -> Iterator[Report]:
        """What the worker reports, until it is gone, however it went."""
        return iter(self._channel)

    def send(self, command: Command) -> None:
        """Raises ChannelClosed when the worker is gone."""
        self._channel.send(command)

    def stop(self) -> None:
        """Have it end; a run ends with it."""
        self._channel.close()

    @abstractmethod
    def ended(self) -> str:
        """Wait until it is wholly gone, and say how it went, as in `signal 9`."""


class ProcessWorker(Worker):
    """`python -m engine.service.worker`, joined by one inherited socket.

    Not by multiprocessing: its spawn would import the program that runs here, gradio and all. The
    socket closes when either process ends in any way, so neither outlives the other unnoticed.

    device: auto, cuda, mps or cpu; dtype: auto, float32, float16 or bfloat16.
    models: folder of model folders.
    """

    module = "engine.service.worker"
    patience = 5.0

    def __init__(self, device: str, dtype: str, models: Path) -> None:
        self._options = ["--device", device, "--dtype", dtype, "--models", str(models)]

    def start(self) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            # -P: a folder called `engine` where the user happens to stand is not ours.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", self.module, str(number), *self._options],
                pass_fds=(number,),
                stdin=subprocess.DEVNULL,
                env=TUNING | os.environ | {"PYTHONPATH": path},
            )
        self._channel = Channel(ours)

    def ended(self) -> str:
        try:
            code = self._process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code >= 0:
            return f"exit code {code}"
        return f"signal {-code}" + (", perhaps out of memory" if -code == signal.SIGKILL else "")


class InProcessWorker(Worker):
    """The same loop in a thread: for tests, and where the device exists only in this process.

    Arguments as ProcessWorker's.
    """

    def __init__(self, device: str, dtype: str, models: Path) -> None:
        self._options = (device, dtype, models)

    def make_runner(self, device: str, dtype: str, models: Path) -> "Runner":
        from engine.service.worker import make_engine_runner

        return make_engine_runner(device, dtype, models)

    def start(self) -> None:
        from engine.service.worker import serve

        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        arguments = (Channel(theirs), lambda: self.make_runner(*self._options))
        self._thread = threading.Thread(target=serve, args=arguments, daemon=True)
        self._thread.start()

    def ended(self) -> str:
        self._thread.join()
        return "its thread ended"
