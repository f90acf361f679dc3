"""The parts of a checkpoint, each loaded by the class that `model_index.json` names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from engine.checkpoints.catalog import INDEX_NAME
from engine.checkpoints.weights import check_file, weight_file, write_tensors
from engine.config import read_json
from engine.errors import CheckpointError

__all__ = ["CLASSES", "INDEX_NAME", "Spec", "load_component", "read_index", "save_component"]

TEXT_WEIGHTS_NAME = "model.safetensors"
TEXT_PREFIX = "text_model."


@dataclass(frozen=True)
class Spec:
    """An entry of `model_index.json`: the library it names, and the class."""

    library: str
    cls: str


def _load_model(cls: str) -> Callable[[Path, torch.dtype], Any]:
    def load(folder: Path, dtype: torch.dtype) -> Any:
        from engine import models

        return getattr(models, cls).from_pretrained(folder, torch_dtype=dtype)

    return load


def _load_scheduler(cls: str) -> Callable[[Path, torch.dtype], Any]:
    def load(folder: Path, dtype: torch.dtype) -> Any:
        from engine import schedulers

        return getattr(schedulers, cls).from_pretrained(folder)

    return load


def _load_text_encoder(folder: Path, dtype: torch.dtype) -> Any:
    from transformers import CLIPTextModel

    check_file(weight_file(folder, TEXT_WEIGHTS_NAME))
    read_json(folder / "config.json")
    try:
        model, report = cast(Any, CLIPTextModel).from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{folder / TEXT_WEIGHTS_NAME}: {error}") from None
    if missing := sorted(report["missing_keys"]):
        raise CheckpointError(
            f"{folder / TEXT_WEIGHTS_NAME} does not fit its configuration: {len(missing)} tensors "
            f"are missing (first: {', '.join(missing[:3])})."
        )
    return model.requires_grad_(False).eval()


def _load_tokenizer(folder: Path, dtype: torch.dtype) -> Any:
    from transformers import CLIPTokenizer

    if not (folder / "tokenizer.json").is_file():
        for name in ("vocab.json", "merges.txt"):
            if not (folder / name).is_file():
                raise CheckpointError(f"{folder / name} is missing: fetch the checkpoint again.")
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


CLASSES: dict[str, Callable[[Path, torch.dtype], Any]] = {
    "AutoencoderKL": _load_model("AutoencoderKL"),
    "CLIPTextModel": _load_text_encoder,
    "CLIPTokenizer": _load_tokenizer,
    "DDIMScheduler": _load_scheduler("DDIMScheduler"),
    "EulerDiscreteScheduler": _load_scheduler("EulerDiscreteScheduler"),
    "PNDMScheduler": _load_scheduler("PNDMScheduler"),
    "UNet2DConditionModel": _load_model("UNet2DConditionModel"),
}
"""Class name -> what loads it from its folder in a dtype. Nothing else is ever imported by name."""


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


def load_component(folder: Path, name: str, spec: Spec, dtype: torch.dtype) -> Any:
    """Load one component of a checkpoint from the folder of its name; raises `CheckpointError`."""
    if spec.cls not in CLASSES:
        raise CheckpointError(
            f"{folder / INDEX_NAME}: {name} is a {spec.cls!r}, which is not supported here; "
            f"supported are: {', '.join(CLASSES)}. A component that a pipeline can do without "
            f"is left out by from_pretrained(..., {name}=None)."
        )
    if not (folder / name).is_dir():
        raise CheckpointError(f"{folder / name} is missing: the checkpoint is not complete.")
    return CLASSES[spec.cls](folder / name, dtype)


def save_component(component: Any, folder: Path) -> None:
    """Write a component in the layout that `load_component` and diffusers read."""
    if type(component).__name__ == "CLIPTextModel":
        # Published files have this prefix, and older readers insist on it.
        tensors = {TEXT_PREFIX + key: value for key, value in component.state_dict().items()}
        component.config.save_pretrained(folder)
        write_tensors(folder / TEXT_WEIGHTS_NAME, tensors)
    else:
        component.save_pretrained(folder)
