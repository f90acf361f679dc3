"""What all tasks of SDXL share: two texts, sizes, an autoencoder that may need float32."""

import functools
from dataclasses import replace
from typing import Any, ClassVar

import torch

from engine.errors import RequestError
from engine.models.autoencoder import Autoencoder
from engine.models.unet2d_condition import UNet2DConditionModel
from engine.neutral import check_neutral
from engine.pipelines.latent import LatentPipeline, Text, upcast
from engine.pipelines.pipeline import DiffusionPipeline
from engine.pipelines.sizes import Sizes
from engine.pipelines.text import Encoded, encode_pooled

__all__ = ["XLFromPicture", "XLPipeline"]


class XLPipeline(LatentPipeline):
    """Latent diffusion of SDXL (Podell et al. 2023, arXiv 2307.01952); a subclass writes `stream`.

    What its arguments mean, beside those of the base: prompt_2, negative_prompt_2: texts for the
    second text encoder, where there are two; the same as for the first if not given.
    pooled_prompt_embeds, negative_pooled_prompt_embeds: (N, P), the output of the last text
    encoder's projection, which go with prompt_embeds and negative_prompt_embeds.
    denoising_start, denoising_end: as in `engine.pipelines.span.Span`, for a run that the base
    model begins, with output_type "latent", and the refiner ends.
    original_size and those after it: as in `engine.pipelines.sizes.Sizes`.
    """

    optional: ClassVar[frozenset[str]] = frozenset(
        {"text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"}
    )
    addition = "text_time"
    text_encoder_2: Any
    tokenizer_2: Any
    force_zeros_for_empty_prompt: bool
    requires_aesthetics_score: bool = False

    def __init__(
        self,
        vae: Autoencoder,
        text_encoder: Any,
        text_encoder_2: Any,
        tokenizer: Any,
        tokenizer_2: Any,
        unet: UNet2DConditionModel,
        scheduler: Any,
        image_encoder: None = None,
        feature_extractor: None = None,
        force_zeros_for_empty_prompt: bool = True,
        add_watermarker: bool | None = None,
    ) -> None:
        """text_encoder, tokenizer: None in a refiner, which reads with the second alone.

        force_zeros_for_empty_prompt: whether no negative prompt is zeros, or the text "".
        """
        check_neutral(add_watermarker=add_watermarker)
        DiffusionPipeline.__init__(
            self,
            vae=vae,
            text_encoder=text_encoder,
            text_encoder_2=text_encoder_2,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer_2,
            unet=unet,
            scheduler=scheduler,
            image_encoder=image_encoder,
            feature_extractor=feature_extractor,
            force_zeros_for_empty_prompt=force_zeros_for_empty_prompt,
        )

    def check_components(self) -> None:
        super().check_components()
        if self.text_encoder_2 is not None:
            self._check_added(self.text_encoder_2.config.projection_dim)

    def _check_added(self, pooled: int) -> None:
        """Raise a `RequestError` if the UNet is not made for these numbers beside a text."""
        config, numbers = self.unet.config, 5 if self.requires_aesthetics_score else 6
        width = pooled + numbers * config.addition_time_embed_dim
        if config.projection_class_embeddings_input_dim != width:
            score = "an aesthetic score" if numbers == 5 else "a target size"
            raise RequestError(
                f"{type(self).__name__} tells the UNet {width} numbers: a pooled text of {pooled} "
                f"and sizes, the last of which is {score}; and this one takes "
                f"{config.projection_class_embeddings_input_dim}. A refiner alone takes an "
                "aesthetic score: it does image-to-image, with requires_aesthetics_score=True."
            )

    def _read(self, prompts: list[str], prompts_2: list[str]) -> Encoded:
        readers = [(self.tokenizer_2, self.text_encoder_2, prompts_2)]
        if self.text_encoder is not None:
            readers.insert(0, (self.tokenizer, self.text_encoder, prompts))
        elif prompts != prompts_2:
            raise RequestError("prompt_2 has no reader, as there is one text encoder: give prompt.")
        if any(part is None for reader in readers for part in reader):
            raise RequestError(
                "this pipeline has no text_encoder_2, or no tokenizer for a text encoder: give "
                "prompt_embeds and pooled_prompt_embeds, or load the checkpoint with them."
            )
        return encode_pooled(readers)

    def _sized(self, text: Text, sizes: Sizes, made: tuple[int, int]) -> Text:
        """The text with the sizes beside it; made: height and width of the picture, in pixels."""

        @functools.cache
        def sized(guided: bool) -> Encoded:
            known = text(guided)
            if known.pooled is None:
                raise RequestError("prompt_embeds is given: pooled_prompt_embeds goes with it.")
            self._check_added(known.pooled.shape[1])
            ids = sizes.time_ids(made, guided)
            return replace(known, time_ids=ids.repeat_interleave(len(known.hidden) // len(ids), 0))

        return sized

    def _coder(self) -> Autoencoder:
        """In float32 where the autoencoder says that it overflows in float16."""
        narrow = self.vae.dtype == torch.float16 and self.vae.config.force_upcast
        return upcast(self.vae) if narrow else self.vae


class XLFromPicture(XLPipeline):
    """The base of the tasks that begin with a picture, which refiners can do too."""

    def __init__(
        self,
        vae: Autoencoder,
        text_encoder: Any,
        text_encoder_2: Any,
        tokenizer: Any,
        tokenizer_2: Any,
        unet: UNet2DConditionModel,
        scheduler: Any,
        image_encoder: None = None,
        feature_extractor: None = None,
        requires_aesthetics_score: bool = False,
        force_zeros_for_empty_prompt: bool = True,
        add_watermarker: bool | None = None,
    ) -> None:
        """requires_aesthetics_score: whether the UNet is told a score in place of target_size."""
        super().__init__(
            vae,
            text_encoder,
            text_encoder_2,
            tokenizer,
            tokenizer_2,
            unet,
            scheduler,
            image_encoder,
            feature_extractor,
            force_zeros_for_empty_prompt,
            add_watermarker,
        )
        self.requires_aesthetics_score = requires_aesthetics_score
        self._settings = (*self._settings, "requires_aesthetics_score")
