"""Which models are at hand: the folders of the models folder, read without loading anything."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.checkpoints.layout import INDEX_NAME, MODEL, SCHEDULER, Files
from engine.checkpoints.repository import part_folder
from engine.config import read_json
from engine.errors import CheckpointError, EngineError
from engine.pipelines.tasks import tasks_of

__all__ = ["ModelInfo", "find_model", "list_models"]


LONGEST_NAME = 255


@dataclass(frozen=True)
class ModelInfo:
    """A checkpoint in the models folder.

    pipeline: class named in its index. tasks: what can be done with it, empty if nothing.
    width, height: its own picture size in pixels. scheduler: class of its own scheduler.
    scheduler_config: settings of that, as written, with the `_class_name`. bytes: of all its files.
    """

    name: str
    path: Path
    pipeline: str
    tasks: tuple[str, ...]
    width: int
    height: int
    scheduler: str
    scheduler_config: Mapping[str, Any]
    bytes: int


def list_models(folder: Path) -> list[ModelInfo]:
    """List the checkpoints in a folder by name; those that cannot be read are left out, as while
    they are copied or taken away."""
    models = []
    paths = folder.iterdir() if folder.is_dir() else ()
    for path in sorted(paths, key=lambda path: path.name.casefold()):
        if (path / INDEX_NAME).is_file():
            try:
                models.append(_describe(path))
            except (CheckpointError, OSError):
                continue
    return models


def find_model(folder: Path, name: str) -> ModelInfo:
    """Find a checkpoint by its name, never by a path; an `EngineError` lists those there are."""
    path = folder / name
    if not name or Path(name).name != name or name in (".", "..") or "\\" in name:
        raise EngineError(f"model is {name!r}: a name in the models folder is needed, not a path.")
    if len(name) <= LONGEST_NAME and (path / INDEX_NAME).is_file():
        return _describe(path)
    names = [model.name for model in list_models(folder)]
    near = difflib.get_close_matches(name, names, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise EngineError(
        f"model {name!r} is not in the models folder; there are: "
        f"{', '.join(names) or 'none'}.{hint}"
    )


def _describe(path: Path) -> ModelInfo:
    index = read_json(path / INDEX_NAME)
    pipeline = str(index.get("_class_name"))
    height, width = _sample_size(path)
    scale = _downscale(path) if "vae" in index else 1
    entry = index.get("scheduler")
    scheduler = str(entry[-1]) if isinstance(entry, list) and entry else ""
    return ModelInfo(
        name=path.name,
        path=path,
        pipeline=pipeline,
        tasks=tasks_of(pipeline),
        width=width * scale,
        height=height * scale,
        scheduler=scheduler,
        scheduler_config=_config(path, "scheduler", SCHEDULER) | {"_class_name": scheduler},
        bytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
    )


def _sample_size(path: Path) -> tuple[int, int]:
    """Height and width of what the UNet works on."""
    value: Any = _config(path, "unet", MODEL).get("sample_size")
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) == 2 and all(isinstance(side, int) and 0 < side <= 4096 for side in sides):
        return sides[0], sides[1]
    return 64, 64


def _downscale(path: Path) -> int:
    stages = _config(path, "vae", MODEL).get("block_out_channels")
    return 2 ** (len(stages) - 1) if isinstance(stages, list) else 1


def _config(path: Path, name: str, files: Files) -> dict[str, Any]:
    """A component's settings; none where they are damaged, which loading the model will explain."""
    try:
        return read_json(part_folder(path, name, files) / files.config)
    except CheckpointError:
        return {}
