"""Which models are at hand: the folders and single files of the models folder, and what is here of
the Hub's. Nothing but what describes them is read."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.checkpoints.cached import NO_HUB, HubModels
from engine.checkpoints.layout import INDEX_NAME, MODEL, SCHEDULER, Files
from engine.checkpoints.repository import HUB_NAME
from engine.checkpoints.single_file import SUFFIX, model_index, settings_of
from engine.errors import CheckpointError, EngineError
from engine.pipelines.tasks import tasks_of

__all__ = ["ModelInfo", "find_model", "list_models"]


LONGEST_NAME = 255


@dataclass(frozen=True)
class ModelInfo:
    """A checkpoint that is here.

    name: that of its folder or file in the models folder, or "name/repository" of one from the Hub.
    path: a folder, or one file. pipeline: class named in its index. tasks: what can be done with
    it, empty if nothing.
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


def list_models(folder: Path, hub: HubModels = NO_HUB) -> list[ModelInfo]:
    """List the checkpoints in a folder by name, then those of the Hub; those that cannot be read
    are left out, as while they are copied or taken away."""
    models = []
    paths = sorted(
        folder.iterdir() if folder.is_dir() else (), key=lambda path: path.name.casefold()
    )
    for name, path in [*((path.name, path) for path in paths), *hub.list().items()]:
        if _is_model(path):
            try:
                models.append(_known(path, name))
            except (CheckpointError, OSError):
                continue
    return models


def find_model(folder: Path, name: str, hub: HubModels = NO_HUB) -> ModelInfo:
    """Find a checkpoint by its name, never by a path; an `EngineError` lists those there are."""
    if hub.patterns and HUB_NAME.match(name):
        return _find_cached(name, hub)
    path = folder / name
    if not name or Path(name).name != name or name in (".", "..") or "\\" in name:
        raise EngineError(f"model is {name!r}: a name in the models folder is needed, not a path.")
    if len(name) <= LONGEST_NAME and _is_model(path):
        return _known(path, name)
    names = [model.name for model in list_models(folder, hub)]
    near = difflib.get_close_matches(name, names, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise EngineError(
        f"model {name!r} is not in the models folder; there are: "
        f"{', '.join(names) or 'none'}.{hint}"
    )


def _find_cached(name: str, hub: HubModels) -> ModelInfo:
    path = hub.find(name)
    if path is None:
        raise EngineError(f"model {name!r} is not here, or not whole: download it from the Hub.")
    return _known(path, name)


def _is_model(path: Path) -> bool:
    """Whether it may be one, by its name; what is said of another file tells why it is none."""
    return (path / INDEX_NAME).is_file() or (path.suffix == SUFFIX and path.is_file())


def _known(path: Path, name: str) -> ModelInfo:
    if path.is_file():
        about = path.stat()
        found = _described(path, name, about.st_size, about.st_mtime_ns)
        if isinstance(found, CheckpointError):
            raise found
        return found
    return _describe(path, name)


@lru_cache(1000)
def _described(path: Path, name: str, size: int, changed: int) -> ModelInfo | CheckpointError:
    """A single file, as long as it stays as it is: its header is long, and many ask."""
    try:
        return _describe(path, name)
    except CheckpointError as error:
        return error


def _describe(path: Path, name: str) -> ModelInfo:
    index = model_index(path)
    pipeline = str(index.get("_class_name"))
    height, width = _sample_size(path)
    scale = _downscale(path) if "vae" in index else 1
    entry = index.get("scheduler")
    scheduler = str(entry[-1]) if isinstance(entry, list) and entry else ""
    return ModelInfo(
        name=name,
        path=path,
        pipeline=pipeline,
        tasks=tasks_of(pipeline),
        width=width * scale,
        height=height * scale,
        scheduler=scheduler,
        scheduler_config=_config(path, "scheduler", SCHEDULER) | {"_class_name": scheduler},
        bytes=sum(file.stat().st_size for file in _files(path)),
    )


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


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
        return settings_of(path, name, files)
    except CheckpointError:
        return {}
