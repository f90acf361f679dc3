"""Which classes of components there are, and what a checkpoint's index says of its own. Needs no
torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoints.layout import (
    INDEX_NAME,
    MODEL,
    PROCESSOR,
    SCHEDULER,
    TEXT,
    TOKENIZER,
    Files,
)
from engine.checkpoints.single_file import model_index
from engine.errors import CheckpointError
from engine.pipelines.tasks import TASKS, tasks_of
from engine.schedulers.registry import SCHEDULER_CLASSES

__all__ = ["FILES", "SAFETY_CHECKER", "Spec", "parts_of", "read_index"]

SAFETY_CHECKER = "StableDiffusionSafetyChecker"
"""The one that is made of transformers' parts and is ours."""

FILES: Mapping[str, Files] = {
    "AutoencoderKL": MODEL,
    "AutoencoderTiny": MODEL,
    "CLIPFeatureExtractor": PROCESSOR,
    "CLIPImageProcessor": PROCESSOR,
    "CLIPImageProcessorPil": PROCESSOR,  # as diffusers saves it without torchvision
    "CLIPTextModel": TEXT,
    "CLIPTextModelWithProjection": TEXT,
    "CLIPTokenizer": TOKENIZER,
    "DPTFeatureExtractor": PROCESSOR,
    "DPTForDepthEstimation": TEXT,
    "DPTImageProcessor": PROCESSOR,
    "DPTImageProcessorPil": PROCESSOR,
    SAFETY_CHECKER: TEXT,
    "UNet2DConditionModel": MODEL,
    "UNet2DModel": MODEL,
    **dict.fromkeys(SCHEDULER_CLASSES, SCHEDULER),
}
"""Class name, of transformers 4 too -> what its files are. No other class is ever loaded."""

SPARED = {"feature_extractor", "image_encoder", "safety_checker"}
"""Components that pipelines can do without."""


@dataclass(frozen=True)
class Spec:
    """An entry of `model_index.json`: the library it names, and the class."""

    library: str
    cls: str


def read_index(folder: Path) -> tuple[str, dict[str, Spec | None]]:
    """Read `model_index.json`: the pipeline's class, and its components by name (None: left out).

    folder: of a checkpoint, as in all functions here, or a single file that is one.
    Raises `CheckpointError` if there is none, or an entry is not `[library, class]`.
    """
    if not folder.exists():
        raise CheckpointError(f"{folder} is not a folder: give one with a {INDEX_NAME} in it.")
    index = model_index(folder)
    specs: dict[str, Spec | None] = {}
    for name, entry in index.items():
        if name.startswith("_") or not isinstance(entry, list):
            continue
        if len(entry) != 2 or not name.isidentifier():
            raise CheckpointError(f"{folder / INDEX_NAME}: {name} is {entry!r}, not two names.")
        library, cls = entry
        specs[name] = None if cls is None else Spec(str(library), str(cls))
    return str(index.get("_class_name")), specs


def parts_of(folder: Path, label: str) -> tuple[str, dict[str, Files]]:
    """The pipeline's class, and the files of each component that a run may need.

    Only the index has to be there. label: what the checkpoint is called in errors.
    Raises `CheckpointError` for what cannot be run here.
    """
    pipeline, specs = read_index(folder)
    if not tasks_of(pipeline):
        known = dict.fromkeys(name for classes in TASKS.values() for name in classes)
        raise CheckpointError(
            f"{label} is a {pipeline}, which is not supported here; supported are: "
            f"{', '.join(known)}."
        )
    parts = dict[str, Files]()
    for name, spec in specs.items():
        if spec and spec.cls in FILES:
            parts[name] = FILES[spec.cls]
        elif spec and name not in SPARED:
            raise CheckpointError(
                f"{label}: its {name} is a {spec.cls!r}, which is not supported here; supported "
                f"are: {', '.join(FILES)}."
            )
    return pipeline, parts
