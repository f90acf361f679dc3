"""Runs to their end, and the pictures that they left on disk."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from engine.pipelines.request import Request
from engine.service import InProcessWorker, Service
from engine.service.events import Event, Finished, Saved
from tests.service.stub import watch

__all__ = ["pictures", "pixels", "png", "run", "saved", "serving"]


@contextmanager
def serving(models: Path, outputs: Path) -> Iterator[Service]:
    """The engine itself, in this process, behind a started service."""
    made = Service(lambda: InProcessWorker("cpu", "float32", models), outputs, models)
    made.start()
    yield made
    made.stop()


async def run(service: Service, asked: Request, previews: bool = True) -> list[Event]:
    events = await watch(service, service.submit(asked, "ann", previews=previews))
    assert isinstance(events[-1], Finished), events[-1]
    return events


def saved(events: list[Event]) -> list[Path]:
    return [Path(event.path) for event in events if isinstance(event, Saved)]


def png(image: Image.Image) -> bytes:
    """The file of an image."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


async def pictures(service: Service, asked: Request, previews: bool = True) -> list[np.ndarray]:
    return [pixels(path) for path in saved(await run(service, asked, previews))]
