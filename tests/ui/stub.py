"""An engine without torch: a colour that comes out of noise, at a pace of one's choosing."""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.errors import CheckpointError, EngineError
from engine.pipelines.control import Control
from engine.service import InProcessWorker
from engine.service.events import Changed, Event, Finished, Frame, Loading, Started, Step
from engine.service.frames import film_steps, jpeg
from engine.service.messages import Picture, Run

COMPONENTS = ("tokenizer", "text_encoder", "unet", "vae")


SECRET = b"s" * 32
"""Of a page under test."""


class StubRunner:
    """As engine.service.worker.Runner. A prompt with "broken" in it fails."""

    device, dtype = "cpu", "float32"

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._loaded: dict[str, int] = {}

    def run(self, run: Run, control: Control) -> Iterator[Event | Picture]:
        request, began = run.request, time.perf_counter()
        loaded = tuple(name for name in COMPONENTS if name not in self._loaded)
        for name in loaded:
            yield Loading(model=request.model, component=name)
            time.sleep(self._pace)
            self._loaded[name] = len(self._loaded)
        if "broken" in request.prompt:
            raise CheckpointError("unet/model.safetensors is a Git LFS pointer: fetch the file.")
        yield Started(total=request.steps, count=request.count, pictures=request.count)
        shown = film_steps(request.steps)
        noise = np.random.default_rng(request.seed)
        y, x = np.mgrid[0:64, 0:64] / 63
        final = np.stack([x, y, 1 - x], -1) * 255
        step, total = 0, request.steps
        while step < total:
            control.check(step)
            for taken in control.take(step):
                settings = taken.change.settings
                total = max(settings.get("steps", total), step + 1)
                yield Changed(step=step + 1, call=step, settings=settings)
            step += 1
            time.sleep(self._pace)
            share = step / total
            blend = final * share + noise.integers(0, 256, final.shape) * (1 - share)
            image = Image.fromarray(blend.astype(np.uint8))
            yield Step(
                step=step,
                total=total,
                call=step,
                calls=total,
                seconds=time.perf_counter() - began,
                rate=1 / self._pace,
                preview=jpeg(image),
            )
            if step in shown:
                index = shown.index(step)
                yield Frame(index=index, total=len(shown), step=step, preview=jpeg(image))
        for index in range(request.count):
            file = io.BytesIO()
            Image.fromarray(np.roll(final, index * 8, 0).astype(np.uint8)).save(file, "PNG")
            yield Picture(index, request.seed + index, file.getvalue(), 64, 64)
        sigmas = levels(total)[:-1]
        trace = {"sigma": sigmas, "timestep": tuple(70 * s for s in sigmas)}
        trace |= {"x": tuple((s * s + 1) ** 0.5 for s in sigmas), "x0": (1.0,) * total}
        trace |= {"eps": tuple(1 - s / 100 for s in sigmas)}
        yield Finished(seconds=time.perf_counter() - began, loaded=loaded, trace=trace)

    def query(self, name: str, **arguments: Any) -> Any:
        answers: dict[str, Callable[..., Any]] = {
            "figures": self._figures,
            "schedule": _schedule,
            "model": _model,
            "depth": _depth,
        }
        return answers[name](**arguments)

    def _figures(self) -> Any:
        rows = [
            {"model": "stub", "name": n, "bytes": 4_200_000, "id": 7_000 + i, "device": "cpu"}
            | {"dtype": "float32"}
            for n, i in self._loaded.items()
        ]
        total = sum(int(str(row["bytes"])) for row in rows)
        return {"components": rows, "bytes": total, "budget": 2_000_000_000, "loads": len(rows)}

    def release(self) -> None:
        pass


def levels(steps: int) -> tuple[float, ...]:
    """Noise levels of a run, down to none."""
    return (*(14.6 * 0.002 ** (i / max(1, steps - 1)) for i in range(steps)), 0.0)


def _schedule(model: str, scheduler: str, schedule_type: str, steps: int) -> Any:
    if steps > 1000:
        raise EngineError(f"steps is {steps}: at most 1000.")
    return {
        "class": "StubScheduler",
        "config": {"scheduler": scheduler, "schedule_type": schedule_type},
        "timesteps": [70 * sigma for sigma in levels(steps)[:-1]],
        "sigmas": list(levels(steps)),
        "steps": steps,
        "calls": steps,
    }


def _model(model: str) -> Any:
    unet = {"name": "unet", "class": "StubUNet", "parameters": 3_000_000, "config": {"of": model}}
    bare = {"name": "tokenizer", "class": "StubTokenizer", "parameters": None, "config": None}
    return {"pipeline": "StableDiffusionPipeline", "components": [unet, bare]}


def _depth(model: str, picture: str) -> str:
    """The picture itself, in grey."""
    if "depth" not in model:
        raise EngineError(f"{model} has no estimator.")
    with Image.open(picture) as image:
        return base64.b64encode(jpeg(image.convert("L"))).decode()


class StubWorker(InProcessWorker):
    """pace: seconds a step."""

    def __init__(self, models: Path, pace: float = 0.01) -> None:
        super().__init__("cpu", "float32", models)
        self._pace = pace

    def make_runner(self, device: str, dtype: str, models: Path) -> StubRunner:
        return StubRunner(self._pace)


def stub_models(folder: Path) -> Path:
    """A models folder with a model for each task, which have configurations and no weights."""
    files: dict[str, dict[str, Any]] = {
        "stub/model_index.json": {
            "_class_name": "StableDiffusionPipeline",
            "scheduler": ["diffusers", "DDIMScheduler"],
        },
        "stub/scheduler/scheduler_config.json": {"prediction_type": "epsilon"},
        "stub/unet/config.json": {"sample_size": 16},
        "stub/vae/config.json": {"block_out_channels": [32, 64, 64]},
        "stub-depth/model_index.json": {
            "_class_name": "StableDiffusionDepth2ImgPipeline",
            "scheduler": ["diffusers", "DDIMScheduler"],
        },
        "stub-depth/scheduler/scheduler_config.json": {"prediction_type": "epsilon"},
        "stub-depth/unet/config.json": {"sample_size": 16},
        "stub-depth/vae/config.json": {"block_out_channels": [32, 64, 64]},
        "stub-ddpm/model_index.json": {
            "_class_name": "DDPMPipeline",
            "scheduler": ["diffusers", "DDPMScheduler"],
        },
        "stub-ddpm/config.json": {"sample_size": 32},
    }
    for name, config in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config))
    return folder
