"""Answers about models, schedules and pictures. All but that about the depth of a picture come from
the small files alone: no weights are loaded."""

import base64
import math
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from engine.cache import ComponentCache
from engine.checkpoints.catalog import find_model
from engine.checkpoints.components import Spec, component_files, kind_of, read_index
from engine.checkpoints.repository import part_folder
from engine.checkpoints.weights import check_file
from engine.config import Config, read_json
from engine.errors import CheckpointError
from engine.pictures import as_rgb, depth_picture, open_picture
from engine.pipelines.depth_to_image import estimate_depth
from engine.pipelines.limits import check_text
from engine.pipelines.request import Request
from engine.schedulers.registry import scheduler_named
from engine.service.frames import jpeg

__all__ = ["describe_depth", "describe_model", "describe_schedule"]


def describe_schedule(
    models: Path, *, model: str, scheduler: str = "", schedule_type: str = "", steps: int
) -> dict[str, Any]:
    """What a run with these settings of a `Request` would walk through.

    Returns the `class` and `config` of the scheduler, the `timesteps` and `sigmas` of its calls of
    the model, in x = x0 + sigma * eps with the level where it ends as the last, and the numbers of
    `steps` and `calls`. Raises `EngineError`.
    """
    asked = Request(model, "-", scheduler=scheduler, schedule_type=schedule_type, steps=steps)
    asked.check()
    info = find_model(models, model)
    own = info.scheduler_config
    asked.check_for(own)
    made = scheduler_named(scheduler or info.scheduler, own, schedule_type)
    made.set_timesteps(steps)
    sigmas = [point.sigma for point in made.points]
    return {
        "class": type(made).__name__,
        "config": made.config.finite(),
        "timesteps": [float(point.timestep) for point in made.points],
        "sigmas": [*sigmas, made.points[-1].next_sigma],
        "steps": steps,
        "calls": len(sigmas),
    }


def describe_model(models: Path, *, model: str) -> dict[str, Any]:
    """What a checkpoint is made of; raises `EngineError`."""
    check_text("model", model)
    info = find_model(models, model)
    _, specs = read_index(info.path)
    components = [_component(info.path, name, spec) for name, spec in specs.items() if spec]
    return {"pipeline": info.pipeline, "components": components}


def describe_depth(
    models: Path,
    cache: ComponentCache,
    device: str,
    dtype: torch.dtype,
    turn: Lock,
    *,
    model: str,
    picture: str,
) -> str:
    """The depth that a model's estimator sees in a picture: a JPEG in base64, what is near white.

    picture: path of a file. turn: held by who uses the device. Loads the estimator alone.
    Raises `EngineError`.
    """
    image = as_rgb(open_picture(picture))
    folder = find_model(models, model).path
    names = ("depth_estimator", "feature_extractor")
    estimator, extractor = cache.components(folder, names, device, dtype)
    with turn:
        depth = estimate_depth(estimator, extractor, image)[0, 0].cpu().numpy()
    return base64.b64encode(jpeg(depth_picture(depth).resize(image.size))).decode()


def _component(folder: Path, name: str, spec: Spec) -> dict[str, Any]:
    """Its parameters are counted in the headers of its files; one that is damaged has none."""
    try:
        files = kind_of(folder, name, spec).files
        config = Config(read_json(part_folder(folder, name, files) / files.config)).finite()
        sizes = _parameters(component_files(folder, name, spec)) if files.weights else None
    except CheckpointError:
        config, sizes = None, None
    return {"name": name, "class": spec.cls, "parameters": sizes, "config": config}


def _parameters(files: list[Path]) -> int:
    """How many numbers the weights hold, each tensor once whichever variants are there."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        if file.suffix == ".safetensors":
            shapes |= check_file(file)
    return sum(math.prod(shape) for shape in shapes.values())
