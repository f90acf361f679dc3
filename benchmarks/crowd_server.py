"""The page over an engine without torch, as a process of its own, for `benchmarks.crowd`.

Prints its address, then for each line that it reads a line of JSON: how many jobs were `taken` and
refused as `full`, `waiting` in line, when each was `started` (unix time in seconds, by prompt), the
`cpu` seconds of this process, and the bytes that it has in memory (`rss`). Ends with its input.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.startup import free_port
from engine.pipelines.control import Control
from engine.pipelines.request import Request
from engine.service import QueueFull, Service
from engine.service.events import Event
from engine.service.messages import Picture, Run
from tests.ui.page import launch_page
from tests.ui.stub import StubRunner, StubWorker, stub_models

PACE = 0.05
"""Seconds a step."""


class NotingRunner(StubRunner):
    """Notes when it starts what."""

    def __init__(self, started: dict[str, float]) -> None:
        super().__init__(PACE)
        self._started = started

    def run(self, run: Run, control: Control) -> Iterator[Event | Picture]:
        self._started[run.request.prompt] = time.time()
        return super().run(run, control)


class NotingWorker(StubWorker):
    def __init__(self, models: Path, started: dict[str, float]) -> None:
        super().__init__(models)
        self._started = started

    def make_runner(self, *_: object) -> StubRunner:
        return NotingRunner(self._started)


class CountingService(Service):
    """Counts what it takes and what it refuses."""

    counts: Counter[str]

    def submit(self, request: Request, owner: str, **more: Any) -> str:
        try:
            job = super().submit(request, owner, **more)
        except QueueFull:
            self.counts["full"] += 1
            raise
        self.counts["taken"] += 1
        return job


def figures(service: CountingService, started: dict[str, float]) -> dict[str, Any]:
    """What is printed for a line."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "taken": service.counts["taken"],
        "full": service.counts["full"],
        "waiting": service.status["waiting"],
        "started": started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
    }


def main() -> None:
    """Serve until nobody asks any more."""
    started: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        models, outputs = stub_models(Path(folder) / "models"), Path(folder) / "outputs"
        service = CountingService(lambda: NotingWorker(models, started), outputs, models)
        service.counts = Counter()
        page, _, url = launch_page(service, models, outputs, server_port=free_port())
        service.start()
        print(url, flush=True)
        try:
            for _ in sys.stdin:
                print(json.dumps(figures(service, started)), flush=True)
        finally:
            service.stop()
            page.close(verbose=False)


if __name__ == "__main__":
    main()
