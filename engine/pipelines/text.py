"""From prompts to what the UNet attends to."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.errors import RequestError

__all__ = ["Prompts", "as_prompts", "encode"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prompts:
    """What a run is to show, in words or already encoded.

    prompt, negative_prompt: one, or a list of N.
    prompt_embeds, negative_prompt_embeds: (N, L, D) in place of the texts.
    copies: how many pictures of each.
    """

    prompt: str | list[str] | None
    negative_prompt: str | list[str] | None
    prompt_embeds: Tensor | None
    negative_prompt_embeds: Tensor | None
    copies: int

    @property
    def negative(self) -> bool:
        """Whether it is said what not to show."""
        return bool(self.negative_prompt) or self.negative_prompt_embeds is not None

    def encoded(self, encoder: Callable[[list[str]], Tensor], guided: bool) -> Tensor:
        """The text of every image (B, L, D), or (2 B, L, D) with guidance, the negative half first.

        encoder: makes (N, L, D) of N prompts. Raises `RequestError`.
        """
        if (self.prompt is None) == (self.prompt_embeds is None):
            raise RequestError("give either prompt or prompt_embeds, not both and not neither.")
        positive = self.prompt_embeds
        if positive is None:
            assert self.prompt is not None
            prompts = as_prompts("prompt", self.prompt)
            if not prompts or not all(text.strip() for text in prompts):
                raise RequestError("prompt is empty: say what the picture should show.")
            positive = encoder(prompts)
        if not guided:
            return positive.repeat_interleave(self.copies, 0)
        negative = self.negative_prompt_embeds
        if negative is None:
            text = self.negative_prompt or ""
            negative = encoder(as_prompts("negative_prompt", text, len(positive)))
        if negative.shape != positive.shape:
            raise RequestError(
                f"negative_prompt_embeds has the shape {list(negative.shape)}, "
                f"prompt_embeds {list(positive.shape)}: they must be equal."
            )
        halves = [half.to(positive.device) for half in (negative, positive)]
        return torch.cat([half.repeat_interleave(self.copies, 0) for half in halves])


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
