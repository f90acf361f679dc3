"""Components made of the tensors of a file in the original layout."""

from collections.abc import Mapping
from typing import Any

import torch

from engine.checkpoints.original.tokenizer import clip_tokenizer
from engine.checkpoints.single_file import SingleFile
from engine.checkpoints.weights import read_tensors

__all__ = ["build"]

PREFIX = "text_model."
"""How keys of published text encoders begin; those of transformers do for some classes alone."""


def build(file: SingleFile, name: str, dtype: torch.dtype) -> Any:
    """One of the components in `file.classes`; floating weights come as `dtype`.

    Raises `CheckpointError` for tensors that are missing, misshapen or too many.
    """
    cls, settings = file.classes[name], file.settings(name)
    if name in file.family.texts:
        return _text_encoder(file, name, settings, dtype)
    if name in file.family.tokenizers:
        return clip_tokenizer(settings["pad_token"])
    if name == "scheduler":
        from engine import schedulers

        return getattr(schedulers, cls).from_config(settings)
    from engine import models

    return getattr(models, cls).from_tensors(settings, file.path, file.parts[name].rename, dtype)


def _text_encoder(
    file: SingleFile, name: str, settings: Mapping[str, Any], dtype: torch.dtype
) -> Any:
    import transformers
    from accelerate import init_empty_weights

    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": "sdpa"}
    config = transformers.CLIPTextConfig(**settings, **options)
    with init_empty_weights():  # the buffers, which no file has, are made
        model = getattr(transformers, file.classes[name])(config)
    own = model.state_dict()
    lacking = "" if any(key.startswith(PREFIX) for key in own) else PREFIX
    expected = {lacking + key: tuple(tensor.shape) for key, tensor in own.items()}
    tensors = read_tensors([file.path], expected, dtype, file.parts[name].rename)
    found = {key.removeprefix(lacking): tensor for key, tensor in tensors.items()}
    model.load_state_dict(found, strict=True, assign=True)
    return model.eval()
