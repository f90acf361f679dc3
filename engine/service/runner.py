"""One run of the engine, from a Request to PNGs, told event by event."""

import platform
import statistics
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import torch
import transformers
from PIL import Image

from engine import schedulers
from engine.cache import ComponentCache
from engine.checkpoints.catalog import ModelInfo, find_model
from engine.checkpoints.provenance import Provenance
from engine.errors import EngineError
from engine.pictures import open_picture
from engine.pipelines import DiffusionPipeline
from engine.pipelines.control import Control
from engine.pipelines.denoise import Progress
from engine.pipelines.request import Request
from engine.pipelines.unconditional import UnconditionalPipeline
from engine.schedulers.registry import SCHEDULER_CLASSES
from engine.service.devices import free_memory, memory_budget, pick_device, pick_dtype, usable_cpus
from engine.service.events import Changed, Event, Finished, Frame, Loading, Started, Step
from engine.service.frames import Film, FrameClock, jpeg
from engine.service.infotext import write_infotext
from engine.service.messages import Picture, Run
from engine.service.metadata import describe, encode_png
from engine.service.queries import describe_depth, describe_model, describe_schedule
from engine.service.room import Room
from engine.service.runlog import RunLog

__all__ = ["EngineRunner"]

RECENT = 16


class EngineRunner:
    """Runs requests on one device, one at a time, and keeps the models that they used.

    device, dtype: as ProcessWorker takes them; afterwards the ones chosen.
    models: folder of model folders.
    Raises EngineError for a device or dtype that cannot be had.
    """

    def __init__(self, device: str, dtype: str, models: Path) -> None:
        self.device = pick_device(device)
        self._dtype = pick_dtype(dtype, self.device)
        self.dtype = str(self._dtype).removeprefix("torch.")
        self._models = models
        self._cache = ComponentCache(memory_budget(self.device))
        self._room = Room(self.device, self._cache)
        self._provenance, self._hashing = Provenance(), ThreadPoolExecutor(1, "hashing")
        self._turn = Lock()  # held for a step of a run, or an estimate between two
        torch.set_num_threads(min(torch.get_num_threads(), usable_cpus()))
        self._warm_up()

    def run(self, run: Run, control: Control) -> Iterator[Event | Picture]:
        """As Runner.run. Raises OutOfMemory for what the memory does not hold."""
        model = find_model(self._models, run.request.model)
        yield from self._room.hold(run.request, model, lambda: self._run(run, control, model))

    def _run(
        self, run: Run, control: Control, model: ModelInfo
    ) -> Generator[Event | Picture, None, None]:
        request = run.request
        began = time.perf_counter()
        pictures = {field: open_picture(path) for field, path in run.pictures.items()}
        weights = self._hashing.submit(_weights, self._provenance, model.path)
        pipeline, loaded = yield from self._load(run, control, model)
        ready = time.perf_counter()
        frames, log = FrameClock(), RunLog()
        for first in range(0, request.count, request.batch_size):
            if first and control.finishing:
                break
            log, left = RunLog(), request.count - first
            part = request.part(first, min(left, request.batch_size))
            yield Started(
                total=part.executed, count=part.count, first=first, pictures=request.count
            )
            stream = pipeline.stream_request(part, control, pictures)
            images = yield from self._denoise(pipeline, stream, run.previews, frames, log)
            taken = replace(part, changes=tuple(log.changes))
            made = self._made(log.scheduler) | weights.result()
            size = pipeline.size_of(part)
            for index, image in enumerate(images):
                control.check(log.steps)
                record = describe(taken, index=index, size=size, made=made)
                yield _picture(part.part(index, 1), first + index, image, record)
            request = log.lasting(request)
        yield Finished(
            seconds=time.perf_counter() - began,
            loaded=loaded,
            figures={
                "load_seconds": ready - began,
                "denoise_seconds": time.perf_counter() - ready,
                "previews": frames.frames,
                "preview_seconds": frames.seconds,
            },
            trace=log.trace(),
        )

    def query(self, name: str, **arguments: Any) -> Any:
        """As Service.query."""
        queries: dict[str, Callable[..., Any]] = {
            "figures": self._cache.figures,
            "depth": partial(
                describe_depth, self._models, self._cache, self.device, self._dtype, self._turn
            ),
            "model": partial(describe_model, self._models),
            "schedule": partial(describe_schedule, self._models),
        }
        if name not in queries:
            raise EngineError(f"There is no query {name!r}. Ask for one of {', '.join(queries)}.")
        try:
            answer = partial(queries[name], **arguments)
            signature(answer).bind()
        except TypeError as error:
            raise EngineError(f"The query {name!r} takes other arguments: {error}.") from None
        return self._room.ask(answer)

    def release(self) -> None:
        """As Runner.release."""
        free_memory(self.device)

    def _load(
        self, run: Run, control: Control, model: ModelInfo
    ) -> Generator[Event, None, tuple[DiffusionPipeline, tuple[str, ...]]]:
        """The pipeline and what had to be loaded; in a thread, as a callback cannot yield."""
        request = run.request
        names: SimpleQueue[str | None] = SimpleQueue()
        loaded = []

        def on_load(name: str) -> None:
            control.check(0)
            names.put(name)

        def load() -> DiffusionPipeline:
            pipeline = self._cache.pipeline(
                model.path, request.task, self.device, self._dtype, on_load=on_load
            )
            if run.previews and (vae := pipeline.components.get("vae")):
                _ = vae.previewer  # fitted at first use: better now than within a step
            return pipeline

        with ThreadPoolExecutor(1) as pool:
            future: Future[DiffusionPipeline] = pool.submit(load)
            future.add_done_callback(lambda _: names.put(None))
            for name in iter(names.get, None):
                loaded.append(name)
                yield Loading(model=request.model, component=name)
        return future.result(), tuple(loaded)

    def _denoise(
        self,
        pipeline: DiffusionPipeline,
        stream: Iterator[Progress],
        previews: bool,
        frames: FrameClock,
        log: RunLog,
    ) -> Generator[Event, None, list[Image.Image]]:
        """Steps, then the images."""
        began = before = time.perf_counter()
        recent: deque[float] = deque(maxlen=RECENT)
        film = Film()
        while True:
            try:
                with self._turn:
                    progress = next(stream)
            except StopIteration as end:
                return list(end.value.images)
            now = time.perf_counter()
            recent.append(now - before)
            before = now
            log.note(progress)
            for taken in progress.taken:
                change, refused = taken.change, taken.refused
                yield Changed(
                    step=progress.step,
                    call=change.call,
                    settings=change.settings,
                    refused=refused,
                )
            preview = None
            if previews and frames.due:
                preview = frames.encode(pipeline.preview, progress)
            yield Step(
                step=progress.step,
                total=progress.total,
                call=progress.call,
                calls=progress.calls,
                seconds=now - began,
                rate=1 / max(statistics.median(recent), 1e-9),
                preview=preview,
            )
            if previews and progress.whole:
                yield from _film(pipeline, progress, frames, film, preview)

    def _made(self, scheduler: Any) -> dict[str, Any]:
        config = scheduler.config.finite()
        return {
            "scheduler": {"_class_name": type(scheduler).__name__, **config},
            "device": self.device,
            "dtype": self.dtype,
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
        }

    def _warm_up(self) -> None:
        """What would otherwise be waited for in the first run: libraries, kernels, image codecs."""
        _ = transformers.CLIPTextModel, transformers.CLIPTokenizer  # lazy names: imported here
        _ = [getattr(schedulers, cls) for cls in SCHEDULER_CLASSES]
        image = torch.zeros(1, 4, 8, 8, device=self.device, dtype=self._dtype)
        torch.nn.functional.conv2d(image, image.new_zeros(4, 4, 3, 3)).sum().item()
        jpeg(Image.new("RGB", (8, 8)))


def _weights(provenance: Provenance, folder: Path) -> dict[str, Any]:
    """What a record says of the model, nothing where its files cannot be read (any more)."""
    try:
        return provenance.of(folder)
    except (EngineError, OSError):
        return {}


def _film(
    pipeline: DiffusionPipeline,
    progress: Progress,
    frames: FrameClock,
    film: Film,
    preview: bytes | None,
) -> Iterator[Frame]:
    """The frame of the film that is due after a step, if one is. preview: of that step."""
    place = film.place(progress.step, progress.total)
    if place is None:
        return
    if isinstance(pipeline, UnconditionalPipeline):
        preview = frames.encode_film(pipeline.film, progress)
    elif preview is None:
        preview = frames.encode_film(pipeline.preview, progress)
    index, total = place
    yield Frame(index=index, total=total, step=progress.step, preview=preview)


def _picture(alone: Request, index: int, image: Image.Image, record: dict[str, Any]) -> Picture:
    """alone: the request for this image. record: what its PNG says of it."""
    variation = alone.variation_seed if alone.variation_strength else None
    told = Request.from_dict(record["request"])
    infotext = write_infotext(told, record["scheduler"]["_class_name"])
    return Picture(index, alone.seed, encode_png(image, record, infotext), *image.size, variation)
