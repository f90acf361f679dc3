"""From prompts to what the UNet attends to."""

import logging
from typing import Any

from torch import Tensor

from engine.errors import RequestError

__all__ = ["as_prompts", "encode"]

log = logging.getLogger(__name__)


def as_prompts(name: str, value: str | list[str], count: int | None = None) -> list[str]:
    """Return a list of prompts: `count` times the same for a string; raises `RequestError`."""
    prompts = [value] * (count or 1) if isinstance(value, str) else value
    if not isinstance(prompts, list) or not all(isinstance(prompt, str) for prompt in prompts):
        raise RequestError(f"{name} is {value!r}: a text or a list of texts is needed.")
    if count is not None and len(prompts) != count:
        raise RequestError(f"{name} has {len(prompts)} entries for {count} prompts.")
    return prompts


def encode(tokenizer: Any, text_encoder: Any, prompts: list[str]) -> Tensor:
    """Encode B prompts as (B, L, D), L being the tokenizer's longest; longer ones are cut."""
    length = tokenizer.model_max_length
    tokens = tokenizer(
        prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    )
    for prompt in prompts:
        used = len(tokenizer(prompt).input_ids)
        if used > length:
            log.warning("A prompt of %d tokens is cut to the %d that are read.", used, length)
    mask = None
    if getattr(text_encoder.config, "use_attention_mask", False):
        mask = tokens.attention_mask.to(text_encoder.device)
    output = text_encoder(tokens.input_ids.to(text_encoder.device), attention_mask=mask)
    hidden: Tensor = output[0]
    return hidden
