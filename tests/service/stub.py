"""An engine without torch, at a known pace, that does what the prompt says; steps can be changed.

`crash` raises a RuntimeError, `refuse` an EngineError, `die` kills its process, `slow` takes half a
second a step and `hang` a minute; else it draws.
Run as a module it is the inside of a StubProcess.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

from PIL import Image

from engine.errors import EngineError
from engine.pipelines.control import Control
from engine.pipelines.request import Request
from engine.service import InProcessWorker, ProcessWorker, Service
from engine.service.events import Changed, Event, Finished, Loading, Started, Step
from engine.service.messages import Picture, Run
from engine.service.metadata import encode_png
from engine.service.worker import main

PACE = 0.01
LIMIT = 120
"""Seconds after which a test gives up: far beyond what a busy machine needs."""


class StubRunner:
    device, dtype = "cpu", "float32"

    def __init__(self, *_: object) -> None:
        self.counts = {"runs": 0, "steps": 0, "pictures": 0, "releases": 0}

    def run(self, run: Run, control: Control) -> Iterator[Event | Picture]:
        self.counts["runs"] += 1
        for component in ("unet", "vae"):
            control.check(0)
            yield Loading(model=run.request.model, component=component)
            time.sleep(PACE * 5)
        for first in range(0, run.request.count, run.request.batch_size):
            if first and control.finishing:
                break
            count = min(run.request.batch_size, run.request.count - first)
            yield from self._draw(run, run.request.part(first, count), first, control)
        yield Finished(seconds=1.0)

    def _draw(
        self, run: Run, part: Request, first: int, control: Control
    ) -> Iterator[Event | Picture]:
        step, total = 0, part.steps
        yield Started(total=total, count=part.count, first=first, pictures=run.request.count)
        while step < total:
            control.check(step)
            for change in (taken.change for taken in control.take(step)):
                total = max(step + 1, change.steps or total)
                yield Changed(step=step + 1, call=step, settings=change.settings)
            step += 1
            time.sleep(PACE)
            self.counts["steps"] += 1
            yield Step(
                step=step,
                total=total,
                call=step,
                calls=total,
                seconds=step * PACE,
                rate=1 / PACE,
                preview=b"jpeg" if run.previews and step % 5 == 1 else None,
            )
            self._obey(run.request.prompt)
        for index in range(part.count):
            control.check(total)
            time.sleep(PACE)
            self.counts["pictures"] += 1
            seed = part.seed + index
            png = encode_png(Image.new("RGB", (8, 8), (seed % 256, 0, 0)), {})
            yield Picture(first + index, seed, png, 8, 8)

    def _obey(self, prompt: str) -> None:
        if prompt == "crash":
            raise RuntimeError("a kernel is unhappy")
        if prompt == "refuse":
            raise EngineError("width is 7: a multiple of 8 is needed.")
        if prompt in ("slow", "hang"):
            time.sleep({"slow": 0.5, "hang": 60}[prompt])
        if prompt == "die":
            os.kill(os.getpid(), signal.SIGKILL)

    def query(self, name: str, **arguments: Any) -> Any:
        if name == "echo":
            return arguments
        if name == "release":
            return self._wait_for_a_release()
        if name != "counts":
            raise EngineError(f"There is no query {name!r}.")
        return self.counts

    def _wait_for_a_release(self) -> int:
        end = time.monotonic() + LIMIT
        while not self.counts["releases"] and time.monotonic() < end:
            time.sleep(PACE)
        return self.counts["releases"]

    def release(self) -> None:
        self.counts["releases"] += 1


class StubThread(InProcessWorker):
    def make_runner(self, *_: object) -> StubRunner:
        return StubRunner()


class StubProcess(ProcessWorker):
    module = "tests.service.stub"


def request(prompt: str = "a cube", **fields: Any) -> Request:
    return Request(**{"model": "tiny", "prompt": prompt, "steps": 4, **fields})


async def watch(service: Service, job: str, owner: str = "ann", after: int = 0) -> list[Event]:
    """All events to the last; fails rather than wait for ever."""
    async with asyncio.timeout(LIMIT):
        return [event async for event in service.events(job, owner, after)]


async def wait_for(service: Service, job: str, kind: type[Event], owner: str = "ann") -> Event:
    """The first event of a kind; fails when the job ends without."""
    async with asyncio.timeout(LIMIT):
        async for event in service.events(job, owner):
            if isinstance(event, kind):
                return event
    raise AssertionError(f"{job} ended without {kind.__name__}")


async def until(service: Service, state: str) -> dict[str, Any]:
    """The status once it says `state`."""
    async with asyncio.timeout(LIMIT):
        while (status := service.status)["state"] != state:
            await asyncio.sleep(0.01)
    return status


if __name__ == "__main__":
    main(StubRunner)
