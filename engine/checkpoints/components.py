"""The parts of a checkpoint, each loaded by the class that `model_index.json` names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.checkpoints.layout import (
    INDEX_NAME,
    MODEL,
    PROCESSOR,
    SCHEDULER,
    TEXT,
    TOKENIZER,
    Files,
)
from engine.checkpoints.repository import part_folder
from engine.checkpoints.weights import MAX_SHARD_SIZE, check_file, local_weights, write_weights
from engine.config import read_json
from engine.errors import CheckpointError
from engine.memory import is_out_of_memory
from engine.models.model import Model
from engine.schedulers.registry import SCHEDULER_CLASSES

__all__ = [
    "CLASSES",
    "Kind",
    "Spec",
    "component_files",
    "kind_of",
    "load_component",
    "read_index",
    "save_component",
]

TEXT_STEM = "model"
TEXT_PREFIX = "text_model."
REFUSED_SETTINGS = {
    "_attn_implementation",
    "attn_implementation",
    "auto_map",
    "backbone",
    "quantization_config",
    "transformers_weights",
    "use_pretrained_backbone",
    "use_timm_backbone",
}
"""Settings by which a configuration would have transformers open something else."""


@dataclass(frozen=True)
class Spec:
    """An entry of `model_index.json`: the library it names, and the class."""

    library: str
    cls: str


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
        import transformers

        paths = local_weights(folder, TEXT_STEM, variant)
        for path in paths:
            check_file(path)
        if refused := sorted(_refused(read_json(folder / TEXT.config))):
            raise CheckpointError(
                f"{folder / TEXT.config} sets {', '.join(refused)}, which can name files or code "
                "other than the weights that were checked: remove it where you trust the "
                "checkpoint."
            )
        try:
            model, report = getattr(transformers, cls).from_pretrained(
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


def _refused(config: Mapping[str, Any]) -> set[str]:
    """The refused settings that a configuration, or one within it, has a value for."""
    found = {key for key in REFUSED_SETTINGS & config.keys() if config[key]}
    parts = [value for value in config.values() if isinstance(value, Mapping)]
    return found.union(*map(_refused, parts))


def _load_tokenizer(folder: Path, dtype: torch.dtype, variant: str | None) -> Any:
    from transformers import CLIPTokenizer

    if not (folder / "tokenizer.json").is_file():
        for name in ("vocab.json", "merges.txt"):
            if not (folder / name).is_file():
                raise CheckpointError(f"{folder / name} is missing: fetch the checkpoint again.")
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def _load_processor(cls: str) -> Load:
    def load(folder: Path, dtype: torch.dtype, variant: str | None) -> Any:
        import transformers

        read_json(folder / PROCESSOR.config)
        # Pillow's own, also where torchvision is: the same picture on every machine
        return getattr(transformers, f"{cls}Pil").from_pretrained(folder, local_files_only=True)

    return load


CLASSES: dict[str, Kind] = {
    "AutoencoderKL": Kind(MODEL, _load_model("AutoencoderKL")),
    "CLIPFeatureExtractor": Kind(PROCESSOR, _load_processor("CLIPImageProcessor")),
    "CLIPImageProcessor": Kind(PROCESSOR, _load_processor("CLIPImageProcessor")),
    "CLIPTextModel": Kind(TEXT, _load_transformer("CLIPTextModel")),
    "CLIPTokenizer": Kind(TOKENIZER, _load_tokenizer),
    "DPTFeatureExtractor": Kind(PROCESSOR, _load_processor("DPTImageProcessor")),
    "DPTForDepthEstimation": Kind(TEXT, _load_transformer("DPTForDepthEstimation")),
    "DPTImageProcessor": Kind(PROCESSOR, _load_processor("DPTImageProcessor")),
    "UNet2DConditionModel": Kind(MODEL, _load_model("UNet2DConditionModel")),
    "UNet2DModel": Kind(MODEL, _load_model("UNet2DModel")),
    **{cls: Kind(SCHEDULER, _load_scheduler(cls)) for cls in SCHEDULER_CLASSES},
}
# as they are called where diffusers has saved them without torchvision
CLASSES |= {f"{cls}Pil": CLASSES[cls] for cls in ("CLIPImageProcessor", "DPTImageProcessor")}
"""Class name, of transformers 4 too -> what loads it. No other name in a file is ever imported."""


def read_index(folder: Path) -> tuple[str, dict[str, Spec | None]]:
    """Read `model_index.json`: the pipeline's class, and its components by name (None: left out).

    Raises `CheckpointError` if there is none, or an entry is not `[library, class]`.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder: give one with a {INDEX_NAME} in it.")
    index = read_json(folder / INDEX_NAME)
    specs: dict[str, Spec | None] = {}
    for name, entry in index.items():
        if name.startswith("_") or not isinstance(entry, list):
            continue
        if len(entry) != 2 or not name.isidentifier():
            raise CheckpointError(f"{folder / INDEX_NAME}: {name} is {entry!r}, not two names.")
        library, cls = entry
        specs[name] = None if cls is None else Spec(str(library), str(cls))
    return str(index.get("_class_name")), specs


def load_component(
    folder: Path, name: str, spec: Spec, dtype: torch.dtype, variant: str | None = None
) -> Any:
    """Load one component of a checkpoint, from the folder of its name or, in a flat one, the root.

    Raises `CheckpointError`.
    """
    kind = kind_of(folder, name, spec)
    place = part_folder(folder, name, kind.files)
    if not place.is_dir():
        raise CheckpointError(f"{place} is missing: the checkpoint is not complete.")
    return kind.load(place, dtype, variant)


def component_files(folder: Path, name: str, spec: Spec) -> list[Path]:
    """The files of one component of a checkpoint that are there; raises `CheckpointError`."""
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
    if name in ("CLIPTextModel", "DPTForDepthEstimation"):
        # Published files have this prefix, and older readers insist on it.
        prefix = TEXT_PREFIX if name == "CLIPTextModel" else ""
        tensors = {prefix + key: value for key, value in component.state_dict().items()}
        component.config.save_pretrained(folder)
        write_weights(folder, TEXT_STEM, tensors, variant, max_shard_size)
    elif isinstance(component, Model):
        component.save_pretrained(folder, variant=variant, max_shard_size=max_shard_size)
    else:
        component.save_pretrained(folder)
