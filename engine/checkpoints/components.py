"""The parts of a checkpoint, each loaded by the class that `model_index.json` names."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from engine.checkpoints.header import Shape
from engine.checkpoints.kinds import FILES, SAFETY_CHECKER, Spec, read_index
from engine.checkpoints.layout import (
    INDEX_NAME,
    MODEL,
    PROCESSOR,
    SCHEDULER,
    TEXT,
    TOKENIZER,
    Files,
)
from engine.checkpoints.original.build import build
from engine.checkpoints.repository import part_folder
from engine.checkpoints.settings import TEXT_PREFIX, check_settings, check_tokenizer
from engine.checkpoints.single_file import SingleFile
from engine.checkpoints.weights import MAX_SHARD_SIZE, check_file, local_weights, write_weights
from engine.errors import CheckpointError
from engine.json_files import read_json
from engine.memory import is_out_of_memory
from engine.models.model import Model

__all__ = [
    "CLASSES",
    "Kind",
    "Spec",
    "check_component",
    "component_files",
    "kind_of",
    "load_component",
    "read_index",
    "save_component",
]

TEXT_STEM = "model"
PREFIXES = {
    "CLIPTextModel": ("", TEXT_PREFIX),
    "CLIPTextModelWithProjection": ("", ""),
    "DPTForDepthEstimation": ("", ""),
    SAFETY_CHECKER: ("vision_model.", "vision_model.vision_model."),
}
"""Class over transformers -> how keys begin here, and in published files, on which older readers
insist."""


Load = Callable[[Path, torch.dtype, str | None], Any]


@dataclass(frozen=True)
class Kind:
    """A class of components: what its files are, and what loads them.

    load(folder, dtype, variant): variant is that of the weights, None for the default.
    """

    files: Files
    load: Load


def _load_model(cls: str) -> Load:
    def load(folder: Path, dtype: torch.dtype, variant: str | None) -> Any:
        from engine import models

        return getattr(models, cls).from_pretrained(folder, dtype=dtype, variant=variant)

    return load


def _load_scheduler(cls: str) -> Load:
    def load(folder: Path, dtype: torch.dtype, variant: str | None) -> Any:
        from engine import schedulers

        return getattr(schedulers, cls).from_pretrained(folder)

    return load


def _load_transformer(cls: str) -> Load:
    def load(folder: Path, dtype: torch.dtype, variant: str | None) -> Any:
        library = import_module("engine.models" if cls == SAFETY_CHECKER else "transformers")
        paths, found = local_weights(folder, TEXT_STEM, variant), dict[str, Shape]()
        for path in paths:
            found |= check_file(path)
        kind = getattr(library, cls)
        check_settings(folder / TEXT.config, kind, found)
        try:
            model, report = kind.from_pretrained(
                folder,
                dtype=dtype,
                variant=variant,
                use_safetensors=True,
                local_files_only=True,
                attn_implementation="sdpa",
                output_loading_info=True,
            )
        except (OSError, RuntimeError, ValueError) as error:
            if is_out_of_memory(error):  # the files are as they should be
                raise
            raise CheckpointError(f"{paths[0]}: {error}") from None
        if missing := sorted(report["missing_keys"]):
            raise CheckpointError(
                f"{paths[0]} does not fit its configuration: {len(missing)} tensors "
                f"are missing (first: {', '.join(missing[:3])})."
            )
        return model.eval()

    return load


def _load_tokenizer(folder: Path, dtype: torch.dtype, variant: str | None) -> Any:
    from transformers import CLIPTokenizer

    check_tokenizer(folder, TOKENIZER)
    if not (folder / "tokenizer.json").is_file():
        for name in ("vocab.json", "merges.txt"):
            if not (folder / name).is_file():
                raise CheckpointError(f"{folder / name} is missing: fetch the checkpoint again.")
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def _load_processor(cls: str) -> Load:
    # Pillow's own, also where torchvision is: the same picture on every machine
    pillow = cls.removesuffix("Pil").replace("FeatureExtractor", "ImageProcessor") + "Pil"

    def load(folder: Path, dtype: torch.dtype, variant: str | None) -> Any:
        import transformers

        read_json(folder / PROCESSOR.config)
        return getattr(transformers, pillow).from_pretrained(folder, local_files_only=True)

    return load


LOADERS: dict[Files, Callable[[str], Load]] = {
    MODEL: _load_model,
    PROCESSOR: _load_processor,
    SCHEDULER: _load_scheduler,
    TEXT: _load_transformer,
    TOKENIZER: lambda cls: _load_tokenizer,
}
CLASSES = {cls: Kind(files, LOADERS[files](cls)) for cls, files in FILES.items()}
"""Class name -> what loads it. No other name in a file is ever imported."""


def load_component(
    folder: Path, name: str, spec: Spec, dtype: torch.dtype, variant: str | None = None
) -> Any:
    """Load one component of a checkpoint, from the folder of its name or, in a flat one, the root.

    variant: of a folder's weights. Raises `CheckpointError`.
    """
    if folder.is_file():
        return build(SingleFile(folder), name, dtype)
    kind = kind_of(folder, name, spec)
    place = part_folder(folder, name, kind.files)
    if not place.is_dir():
        raise CheckpointError(f"{place} is missing: the checkpoint is not complete.")
    try:
        return kind.load(place, dtype, variant)
    except CheckpointError:
        raise
    except Exception as error:  # of other libraries: whatever comes of what they read
        if is_out_of_memory(error):  # the files are as they should be
            raise
        raise CheckpointError(
            f"{place / kind.files.config} or a file beside it cannot be used "
            f"({type(error).__name__}: {str(error).partition(chr(10))[0]}): fetch it again."
        ) from error


def check_component(folder: Path, name: str, spec: Spec, variant: str | None = None) -> None:
    """Read the configuration of a component and the headers of its weights, which takes no time
    and no memory.

    Raises `CheckpointError`.
    """
    files = kind_of(folder, name, spec).files
    place = part_folder(folder, name, files)
    read_json(place / files.config)
    if files.weights is not None:
        for path in local_weights(place, files.weights, variant):
            check_file(path)


def component_files(folder: Path, name: str, spec: Spec) -> list[Path]:
    """The files of one component of a checkpoint that are there; raises `CheckpointError`."""
    if folder.is_file():
        return [folder]
    files = kind_of(folder, name, spec).files
    place = part_folder(folder, name, files)
    names = [item.name for item in place.iterdir()] if place.is_dir() else []
    return [place / item for item in files.of(names)]


def kind_of(folder: Path, name: str, spec: Spec) -> Kind:
    """What loads a component that an index names; raises `CheckpointError` for an unknown class."""
    if spec.cls not in CLASSES:
        raise CheckpointError(
            f"{folder / INDEX_NAME}: {name} is a {spec.cls!r}, which is not supported here; "
            f"supported are: {', '.join(CLASSES)}. A component that a pipeline can do without "
            f"is left out by from_pretrained(..., {name}=None)."
        )
    return CLASSES[spec.cls]


def save_component(
    component: Any,
    folder: Path,
    variant: str | None = None,
    max_shard_size: int | str = MAX_SHARD_SIZE,
) -> None:
    """Write a component in the layout that `load_component` and diffusers read.

    variant, max_shard_size: of the weights, as in `write_weights`.
    """
    name = type(component).__name__
    if name in PREFIXES:
        here, published = PREFIXES[name]
        tensors = {
            published + key.removeprefix(here) if key.startswith(here) else key: value
            for key, value in component.state_dict().items()
        }
        component.config.save_pretrained(folder)
        write_weights(folder, TEXT_STEM, tensors, variant, max_shard_size)
    elif isinstance(component, Model):
        component.save_pretrained(folder, variant=variant, max_shard_size=max_shard_size)
    else:
        component.save_pretrained(folder)
