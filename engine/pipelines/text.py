"""From prompts to what the UNet attends to."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from engine.errors import RequestError

__all__ = ["Encoded", "Prompts", "as_prompts", "encode", "encode_pooled"]

log = logging.getLogger(__name__)

Text: TypeAlias = str | list[str] | None


@dataclass(frozen=True)
class Encoded:
    """What a model is told of B images, beside the sample and the time.

    hidden: (B, L, D), the text, word by word. pooled: (B, P), the text as a whole, and time_ids:
    (B, n), sizes as `engine.pipelines.sizes` has them, for the models that read those.
    """

    hidden: Tensor
    pooled: Tensor | None = None
    time_ids: Tensor | None = None

    @property
    def added(self) -> dict[str, Tensor]:
        """The `added_cond_kwargs` of a UNet."""
        found = {"text_embeds": self.pooled, "time_ids": self.time_ids}
        return {name: value for name, value in found.items() if value is not None}


Encoder: TypeAlias = Callable[[list[str], list[str]], Encoded]


@dataclass(frozen=True)
class Prompts:
    """What a run is to show, in words or already encoded.

    prompt, negative_prompt: one, or a list of N.
    prompt_embeds, negative_prompt_embeds: (N, L, D) in place of the texts.
    copies: how many pictures of each.
    For a model with two text encoders, prompt_2, negative_prompt_2: what the second one reads, the
    same if not given. pooled_prompt_embeds, negative_pooled_prompt_embeds: (N, P), which go with
    prompt_embeds and negative_prompt_embeds. zeros: no negative prompt is zeros, not the text "".
    """

    prompt: Text
    negative_prompt: Text
    prompt_embeds: Tensor | None
    negative_prompt_embeds: Tensor | None
    copies: int
    prompt_2: Text = None
    negative_prompt_2: Text = None
    pooled_prompt_embeds: Tensor | None = None
    negative_pooled_prompt_embeds: Tensor | None = None
    zeros: bool = False

    @property
    def negative(self) -> bool:
        """Whether it is said what not to show."""
        said = self.negative_prompt or self.negative_prompt_2
        return bool(said) or self.negative_prompt_embeds is not None

    def encoded(self, encoder: Encoder, guided: bool) -> Encoded:
        """The text of every image, B, or 2 B with guidance, the negative half first.

        encoder: encodes N prompts, given with what a second text encoder reads in their place.
        Raises `RequestError`.
        """
        positive = self._positive(encoder)
        halves = [self._negative(encoder, positive), positive] if guided else [positive]
        shapes = [(_shape(one.hidden), _shape(one.pooled)) for one in halves]
        for index, name in enumerate(("prompt_embeds", "pooled_prompt_embeds")):
            if shapes[0][index] != shapes[-1][index]:
                raise RequestError(
                    f"negative_{name} has the shape {shapes[0][index]}, "
                    f"{name} {shapes[-1][index]}: they must be equal."
                )
        pooled = [one.pooled for one in halves if one.pooled is not None]
        return Encoded(
            self._repeated([one.hidden for one in halves]),
            self._repeated(pooled) if pooled else None,
        )

    def _positive(self, encoder: Encoder) -> Encoded:
        if (self.prompt is None) == (self.prompt_embeds is None):
            raise RequestError("give either prompt or prompt_embeds, not both and not neither.")
        if self.prompt_embeds is not None:
            if self.prompt_2 is not None:
                raise RequestError("give either prompt_2 or prompt_embeds, not both.")
            found = Encoded(self.prompt_embeds)
        else:
            assert self.prompt is not None
            prompts = as_prompts("prompt", self.prompt)
            if not prompts or not all(text.strip() for text in prompts):
                raise RequestError("prompt is empty: say what the picture should show.")
            second = as_prompts("prompt_2", self.prompt_2 or prompts, len(prompts))
            found = encoder(prompts, second)
        return _with_pooled(found, "pooled_prompt_embeds", self.pooled_prompt_embeds)

    def _negative(self, encoder: Encoder, positive: Encoded) -> Encoded:
        count, text = len(positive.hidden), self.negative_prompt or ""
        if self.negative_prompt_embeds is not None:
            found = Encoded(self.negative_prompt_embeds)
        elif self.zeros and self.negative_prompt is None and self.negative_prompt_2 is None:
            pooled = None if positive.pooled is None else torch.zeros_like(positive.pooled)
            found = Encoded(torch.zeros_like(positive.hidden), pooled)
        else:
            found = encoder(
                as_prompts("negative_prompt", text, count),
                as_prompts("negative_prompt_2", self.negative_prompt_2 or text, count),
            )
        name = "negative_pooled_prompt_embeds"
        return _with_pooled(found, name, self.negative_pooled_prompt_embeds)

    def _repeated(self, halves: list[Tensor]) -> Tensor:
        device = halves[-1].device
        return torch.cat([half.to(device).repeat_interleave(self.copies, 0) for half in halves])


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
    hidden: Tensor = _read(tokenizer, text_encoder, prompts)[0]
    return hidden


def encode_pooled(readers: Sequence[tuple[Any, Any, list[str]]]) -> Encoded:
    """Encode B prompts as SDXL does (Podell et al. 2023, 2.1), by one text encoder or several.

    readers: tokenizer, text encoder and prompts of each; what they make of a token, one layer
    before their last, is put side by side. The last one has a projection, whose output is the
    text as a whole.
    """
    outputs = [_read(*reader, output_hidden_states=True) for reader in readers]
    hidden = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
    return Encoded(hidden, outputs[-1].text_embeds)


def _read(tokenizer: Any, text_encoder: Any, prompts: list[str], **options: Any) -> Any:
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
    ids = tokens.input_ids.to(text_encoder.device)
    return text_encoder(ids, attention_mask=mask, **options)


def _with_pooled(found: Encoded, name: str, pooled: Tensor | None) -> Encoded:
    """The text with a caller's own whole of it, if there is one."""
    if pooled is None:
        return found
    if len(pooled) != len(found.hidden):
        raise RequestError(f"{name} has {len(pooled)} entries for {len(found.hidden)} prompts.")
    return replace(found, pooled=pooled)


def _shape(value: Tensor | None) -> list[int] | str:
    return "none" if value is None else list(value.shape)
