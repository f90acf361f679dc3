"""From a picture to another one like it with SDXL, or from what its base model has begun."""

from typing import Any

import torch
from torch import Tensor

from engine.noise import Generators
from engine.pipelines.control import Control
from engine.pipelines.denoise import from_sample
from engine.pipelines.image_to_image import ImageToImage
from engine.pipelines.latent import Run
from engine.pipelines.sizes import Sizes
from engine.pipelines.span import Span
from engine.pipelines.text import Prompts
from engine.pipelines.xl import XLFromPicture

__all__ = ["StableDiffusionXLImg2ImgPipeline"]


class StableDiffusionXLImg2ImgPipeline(XLFromPicture, ImageToImage):
    """SDXL over a picture, and its refiner (Podell et al. 2023, arXiv 2307.01952, 2.5)."""

    @torch.no_grad()
    def stream(
        self,
        prompt: str | list[str] | None = None,
        prompt_2: str | list[str] | None = None,
        image: Any = None,
        strength: float = 0.3,
        num_inference_steps: int = 50,
        denoising_start: float | None = None,
        denoising_end: float | None = None,
        guidance_scale: float = 5.0,
        negative_prompt: str | list[str] | None = None,
        negative_prompt_2: str | list[str] | None = None,
        num_images_per_prompt: int = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        pooled_prompt_embeds: Tensor | None = None,
        negative_pooled_prompt_embeds: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        original_size: tuple[int, int] | None = None,
        crops_coords_top_left: tuple[int, int] = (0, 0),
        target_size: tuple[int, int] | None = None,
        negative_original_size: tuple[int, int] | None = None,
        negative_crops_coords_top_left: tuple[int, int] = (0, 0),
        negative_target_size: tuple[int, int] | None = None,
        aesthetic_score: float = 6.0,
        negative_aesthetic_score: float = 2.5,
        control: Control | None = None,
    ) -> Run:
        """Change a picture towards a prompt; arguments as the bases say, and these.

        image, strength: as in `StableDiffusionImg2ImgPipeline`. With a denoising_start, the image
        is what the first part of a run has ended with, and no noise is added.
        latents: (B, C, h, w), the sample that a run begins with, in place of the image.
        aesthetic_score, negative_aesthetic_score: what a refiner is told of the picture.
        """
        copies = num_images_per_prompt
        prompts = Prompts(
            prompt,
            negative_prompt,
            prompt_embeds,
            negative_prompt_embeds,
            copies,
            prompt_2=prompt_2,
            negative_prompt_2=negative_prompt_2,
            pooled_prompt_embeds=pooled_prompt_embeds,
            negative_pooled_prompt_embeds=negative_pooled_prompt_embeds,
            zeros=self.force_zeros_for_empty_prompt,
        )
        sizes = Sizes(
            original_size,
            crops_coords_top_left,
            target_size,
            negative_original_size,
            negative_crops_coords_top_left,
            negative_target_size,
            (aesthetic_score, negative_aesthetic_score) if self.requires_aesthetics_score else None,
        )
        course, text, count = self._begin(
            prompts,
            num_inference_steps,
            guidance_scale,
            output_type,
            control,
            Span(strength, denoising_start, denoising_end),
        )
        if latents is None:
            noised = denoising_start is None
            latents, start = self._from_picture(image, count, copies, generator, noised)
        else:
            shape = (count, self.vae.config.latent_channels, *latents.shape[2:])
            start = from_sample(self._given(shape, latents))
        height, width = (side * self.vae.downscale for side in latents.shape[2:])
        return (
            yield from self._draw(
                course,
                self._sized(text, sizes, (height, width)),
                start,
                generator=generator,
                eta=eta,
                output_type=output_type,
            )
        )
