"""Which models are at hand: the folders and single files of the models folder, and what is here of
the Hub's. Nothing but what describes them is read."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.checkpoints.cached import NO_HUB, HubModels
from engine.checkpoints.header import stored_dtype
from engine.checkpoints.layout import INDEX_NAME, MODEL, SCHEDULER, Files
from engine.checkpoints.repository import HUB_NAME, part_folder
from engine.checkpoints.single_file import SUFFIX, model_index, settings_of
from engine.checkpoints.traits import traits_of
from engine.errors import CheckpointError, EngineError
from engine.pipelines.tasks import tasks_of

__all__ = ["ModelInfo", "find_model", "list_models"]

CONTAINERS = ("checkpoints", "diffusers", "Stable-diffusion")
"""Where ComfyUI and AUTOMATIC1111 have models, in folders of any names, below the models folder or
its `models`."""
DEPTH = 3


@dataclass(frozen=True)
class ModelInfo:
    """A checkpoint that is here.

    name: that of its folder or file in the models folder, or "name/repository" of one from the Hub.
    path: a folder, or one file. source: folder, file or Hub. pipeline: class named in its index.
    tasks: what can be done with it, empty if nothing. family, steps, guidance_scale: as `Traits`.
    width, height: its own picture size in pixels. scheduler: class of its own scheduler.
    scheduler_config: settings of that, as written, with the `_class_name`.
    dtype: in which the UNet is stored, "" if that is not known. bytes: of all its files.
    checker: whether it has a safety checker.
    """

    name: str
    path: Path
    source: str
    pipeline: str
    tasks: tuple[str, ...]
    family: str
    steps: int
    guidance_scale: float
    width: int
    height: int
    scheduler: str
    scheduler_config: Mapping[str, Any]
    dtype: str
    bytes: int
    checker: bool


def list_models(folder: Path, hub: HubModels = NO_HUB) -> list[ModelInfo]:
    """List the checkpoints in a folder by name, then those of the Hub; those that cannot be read
    are left out, as while they are copied or taken away."""
    models = []
    for name, path in [*_named(folder).items(), *hub.list().items()]:
        try:
            models.append(_known(path, name))
        except (CheckpointError, OSError):
            continue
    return models


def find_model(folder: Path, name: str, hub: HubModels = NO_HUB) -> ModelInfo:
    """Find a checkpoint by its name, never by a path; an `EngineError` lists those there are."""
    if hub.patterns and HUB_NAME.match(name):
        return _find_cached(name, hub)
    if not name or Path(name).name != name or name in (".", "..") or "\\" in name:
        raise EngineError(f"model is {name!r}: a name in the models folder is needed, not a path.")
    there = _named(folder)
    if name in there:
        return _known(there[name], name)
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


def _named(folder: Path) -> dict[str, Path]:
    """What may be models, by name. Of several with the same the first counts."""
    found: dict[str, Path] = {}
    places = [folder, *(base / name for base in (folder, folder / "models") for name in CONTAINERS)]
    for place in places:
        for path in _models_in(place, 1 if place == folder else DEPTH):
            found.setdefault(path.name, path)
    return dict(sorted(found.items(), key=lambda item: item[0].casefold()))


def _models_in(folder: Path, depth: int) -> Iterator[Path]:
    """Those in a folder, and in folders of it that are none themselves."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:  # none, or gone meanwhile
        return
    for path in paths:
        if (path / INDEX_NAME).is_file() or (path.suffix == SUFFIX and path.is_file()):
            yield path
        elif depth > 1:
            yield from _models_in(path, depth - 1)


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
    unet = _config(path, "unet", MODEL)
    height, width = _sample_size(unet)
    scale = _downscale(path) if "vae" in index else 1
    entry = index.get("scheduler")
    scheduler = str(entry[-1]) if isinstance(entry, list) and entry else ""
    config = _config(path, "scheduler", SCHEDULER) | {"_class_name": scheduler}
    traits = traits_of(name, pipeline, unet, config)
    return ModelInfo(
        name=name,
        path=path,
        source="Hub" if "/" in name else "file" if path.is_file() else "folder",
        pipeline=pipeline,
        tasks=tasks_of(pipeline),
        family=traits.family,
        steps=traits.steps,
        guidance_scale=traits.guidance_scale,
        width=width * scale,
        height=height * scale,
        scheduler=scheduler,
        scheduler_config=config,
        dtype=_dtype(path),
        bytes=sum(file.stat().st_size for file in _files(path)),
        checker=(index.get("safety_checker") or [None])[-1] is not None,
    )


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


def _dtype(path: Path) -> str:
    """That of the UNet's weights, of the first file where there are several."""
    place = path if path.is_file() else part_folder(path, "unet", MODEL)
    files = [place] if place.is_file() else sorted(place.glob(f"{MODEL.weights}*{SUFFIX}"))
    if not files:
        return ""
    about = files[0].stat()
    return _stored(files[0], about.st_size, about.st_mtime_ns)


@lru_cache(1000)
def _stored(path: Path, size: int, changed: int) -> str:
    """As `_described`."""
    try:
        return stored_dtype(path)
    except CheckpointError:  # which loading the model will explain
        return ""


def _sample_size(unet: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of what the UNet works on."""
    value: Any = unet.get("sample_size")
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) == 2 and all(isinstance(side, int) and 0 < side <= 4096 for side in sides):
        return sides[0], sides[1]
    return 64, 64


def _downscale(path: Path) -> int:
    config = _config(path, "vae", MODEL)
    stages = config.get("block_out_channels", config.get("decoder_block_out_channels"))
    return 2 ** (len(stages) - 1) if isinstance(stages, list) else 1


def _config(path: Path, name: str, files: Files) -> dict[str, Any]:
    """A component's settings; none where they are damaged, which loading the model will explain."""
    try:
        return settings_of(path, name, files)
    except CheckpointError:
        return {}
