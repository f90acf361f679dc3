"""An engine without torch: a colour that comes out of noise, at a pace of one's choosing."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.errors import CheckpointError
from engine.pipelines.control import Control
from engine.service import InProcessWorker
from engine.service.events import Event, Finished, Frame, Loading, Started, Step
from engine.service.frames import film_steps, jpeg
from engine.service.messages import Picture, Run

COMPONENTS = ("tokenizer", "text_encoder", "unet", "vae")


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
        yield Started(total=request.steps, count=request.count)
        shown = film_steps(request.steps) if request.task == "unconditional" else []
        noise = np.random.default_rng(request.seed)
        y, x = np.mgrid[0:64, 0:64] / 63
        final = np.stack([x, y, 1 - x], -1) * 255
        for step in range(1, request.steps + 1):
            control.check(step - 1)
            time.sleep(self._pace)
            share = step / request.steps
            blend = final * share + noise.integers(0, 256, final.shape) * (1 - share)
            image = Image.fromarray(blend.astype(np.uint8))
            yield Step(
                step=step,
                total=request.steps,
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
        yield Finished(seconds=time.perf_counter() - began, loaded=loaded)

    def query(self, name: str) -> Any:
        rows = [
            {"model": "stub", "name": n, "bytes": 4_200_000, "id": 7_000 + i, "device": "cpu"}
            | {"dtype": "float32"}
            for n, i in self._loaded.items()
        ]
        total = sum(int(str(row["bytes"])) for row in rows)
        return {"components": rows, "bytes": total, "budget": 2_000_000_000, "loads": len(rows)}

    def release(self) -> None:
        pass


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
        "stub/unet/config.json": {"sample_size": 16},
        "stub/vae/config.json": {"block_out_channels": [32, 64, 64]},
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
