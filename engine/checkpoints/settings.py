"""What a configuration may ask of transformers: nothing but the weights that were checked."""

from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as short
from typing import Any

import torch

from engine.checkpoints.header import Shape
from engine.checkpoints.layout import Files
from engine.checks import is_of
from engine.errors import CheckpointError
from engine.json_files import read_json

__all__ = ["TEXT_PREFIX", "check_settings", "check_tokenizer"]

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
TOKENS = {f"{name}_token" for name in ("bos", "eos", "pad", "unk")}
SIZES = ("_heads", "_layers", "_size", "max_position_embeddings")
"""How settings end that say how much of something there is."""


def check_settings(path: Path, kind: Any, found: Mapping[str, Shape]) -> None:
    """Compare a configuration of transformers with the tensors that were found, before memory is
    made for those that it asks for. kind: class of the model."""
    config = read_json(path)
    if refused := sorted(_refused(config)):
        raise CheckpointError(
            f"{path} sets {', '.join(refused)}, which can name files or code other than the "
            "weights that were checked: remove it where you trust the checkpoint."
        )
    for key, value in config.items():
        if key.endswith(SIZES) and not is_of(value, int | list[int] | None):
            raise CheckpointError(f"{path}: {key} is {short(value)}, needed is a whole number.")
    if (layers := config.get("num_hidden_layers") or 0) > len(found):
        raise CheckpointError(
            f"{path}: num_hidden_layers is {layers}, for {len(found)} tensors in the files."
        )
    with torch.device("meta"):
        model = kind(kind.config_class.from_dict(config))
    expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    for key, shape in found.items():
        needed = expected.get(key, expected.get(key.removeprefix(TEXT_PREFIX), shape))
        if needed != shape:
            raise CheckpointError(
                f"{path} asks for the shape {list(needed)} of {key}, which is {list(shape)}."
            )


def check_tokenizer(folder: Path, files: Files) -> None:
    """Look at the JSON of a tokenizer, which transformers takes whatever it says."""
    for name in (files.config, *files.others):
        path = folder / name
        if not name.endswith(".json") or not path.exists():
            continue
        values = read_json(path)
        for key, value in values.items():
            if name == "vocab.json" and not is_of(value, int):
                raise CheckpointError(f"{path}: {short(key)} has {short(value)} for a number.")
            text = value.get("content") if isinstance(value, dict) else value
            if key in TOKENS and not isinstance(text, str):
                raise CheckpointError(f"{path}: {key} is {short(value)}, needed is a text.")
        if not is_of(values.get("model_max_length"), float | None):
            raise CheckpointError(f"{path}: model_max_length is no number.")


def _refused(config: Mapping[str, Any]) -> set[str]:
    """The refused settings that a configuration, or one within it, has a value for."""
    found = {key for key in REFUSED_SETTINGS & config.keys() if config[key]}
    parts = [value for value in config.values() if isinstance(value, Mapping)]
    return found.union(*map(_refused, parts))
