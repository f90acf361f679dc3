"""What the benchmarks of the service share: one over a worker process, and how its jobs are met."""

import argparse
import asyncio
import os
import platform
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from engine.pipelines.request import Request
from engine.service import Service
from engine.service.events import Event, Loading, Queued, Saved, Step
from engine.service.index import FILE
from engine.service.workers import Worker

__all__ = [
    "MODELS",
    "OWNER",
    "POLL",
    "about",
    "copied",
    "counted",
    "counting",
    "follow",
    "moment",
    "pixels",
    "ready",
    "renew",
    "serving",
    "strays",
]

MODELS = Path(__file__).resolve().parent.parent / "assets" / "models"
OWNER = "benchmark"
LIMIT = 600.0
"""Seconds after which what does not come is an error."""
POLL = 0.002
"""Seconds between two looks at the worker's state."""

Moment = Callable[[Event], bool]


def counting(doc: str, name: str, default: int, words: str) -> argparse.ArgumentParser:
    """A parser of `--name`, a number, and of the seed. doc: its first line is the description."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument(f"--{name}", type=int, default=default, help=f"{words} (default {default})")
    parser.add_argument("--seed", type=int, default=0, help="of what is random (default 0)")
    return parser


def counted(parser: argparse.ArgumentParser, name: str, least: int = 1) -> argparse.Namespace:
    """The arguments, if the number is large enough; else the program ends and says so."""
    options = parser.parse_args()
    if getattr(options, name) < least:
        parser.error(f"--{name} is {getattr(options, name)}; it must be {least} or more")
    return options


@contextmanager
def serving(make: Callable[[], Worker], models: Path) -> Iterator[tuple[Service, Path]]:
    """A started service, and the folder of its pictures, which is removed in the end."""
    with tempfile.TemporaryDirectory() as outputs:
        service = Service(make, Path(outputs), models)
        service.start()
        try:
            yield service, Path(outputs)
        finally:
            service.stop()


@contextmanager
def copied(model: Path) -> Iterator[Path]:
    """A copy of a checkpoint, alone in its models folder, for a time."""
    with tempfile.TemporaryDirectory() as models:
        yield shutil.copytree(model, Path(models) / model.name)


def renew(model: Path) -> None:
    """Have a checkpoint loaded anew by the run that uses it next, as if its files were others."""
    now = time.time_ns()
    for file in model.rglob("*"):
        os.utime(file, ns=(now, now))


async def ready(service: Service, other_than: int | None = None) -> int:
    """Process id of the worker once it takes runs, and is not the one named."""
    async with asyncio.timeout(LIMIT):
        while (pid := service.status["pid"]) in (None, other_than):
            await asyncio.sleep(POLL)
    return int(pid)


async def follow(
    service: Service,
    job: str,
    owner: str = OWNER,
    *,
    after: Sequence[Event] = (),
    until: Moment = lambda event: False,
) -> list[Event]:
    """The events of a job, with those known already, up to a moment or else to its end."""
    events = list(after)
    async with asyncio.timeout(LIMIT):
        async for event in service.events(job, owner, events[-1].number if events else 0):
            events.append(event)
            if until(event):
                break
    return events


def moment(phase: str, request: Request, parts: Sequence[str], rng: random.Random) -> Moment:
    """Tells the event with which a phase of a run begins, or a random one within it.

    phase: queued, loading, denoising, decoding, or saving, which is when one of several images is
    on disk. parts: names of the components that are loaded.
    """
    part = rng.choice(parts)
    step = rng.randint(1, request.steps - 1)
    image = rng.randint(0, request.count - 2)
    moments: dict[str, Moment] = {
        "queued": lambda event: isinstance(event, Queued),
        "loading": lambda event: isinstance(event, Loading) and event.component == part,
        "denoising": lambda event: isinstance(event, Step) and event.step >= step,
        "decoding": lambda event: isinstance(event, Step) and event.step == event.total,
        "saving": lambda event: isinstance(event, Saved) and event.index >= image,
    }
    return moments[phase]


def pixels(events: Iterable[Event]) -> list[bytes]:
    """Those of each picture that a job announced; the files are removed."""
    found = []
    for event in events:
        if isinstance(event, Saved):
            with Image.open(event.path) as image:
                found.append(image.tobytes())
            Path(event.path).unlink()
    return found


def strays(outputs: Path) -> list[str]:
    """Names of the files there, which nobody announced once `pixels` has taken the others; the
    index is none of them."""
    names = (file.name for file in outputs.rglob("*") if file.is_file())
    return [name for name in names if not name.startswith(FILE)]


def about(status: dict[str, Any]) -> str:
    """One line on what it ran on."""
    return (
        f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"load average {os.getloadavg()[0]:.1f}, device {status['device']}, {status['dtype']}"
    )
