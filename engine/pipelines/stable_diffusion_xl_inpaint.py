"""Repaint a part of a picture with SDXL."""

from typing import Any

import torch
from torch import Tensor

from engine.errors import PictureError
from engine.noise import Generators
from engine.pipelines.canvas import make_canvas
from engine.pipelines.control import Control
from engine.pipelines.inpaint import Inpainting
from engine.pipelines.latent import Run
from engine.pipelines.sizes import Sizes
from engine.pipelines.span import Span
from engine.pipelines.text import Prompts
from engine.pipelines.xl import XLFromPicture

__all__ = ["StableDiffusionXLInpaintPipeline"]


class StableDiffusionXLInpaintPipeline(XLFromPicture, Inpainting):
    """SDXL over a part of a picture, by either kind of UNet."""

    @torch.no_grad()
    def stream(
        self,
        prompt: str | list[str] | None = None,
        prompt_2: str | list[str] | None = None,
        image: Any = None,
        mask_image: Any = None,
        masked_image_latents: Tensor | None = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
        strength: float = 0.9999,
        num_inference_steps: int = 50,
        denoising_start: float | None = None,
        denoising_end: float | None = None,
        guidance_scale: float = 7.5,
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
        *,
        mask_blur: int = 0,
        fill: str = "original",
        paste_back: bool = False,
    ) -> Run:
        """Repaint what is marked; arguments as the bases say, and these.

        latents: with a denoising_start, what the first part of a run has ended with; the image is
        the picture itself all the same, as what is outside the mask is taken from it.
        aesthetic_score, negative_aesthetic_score: what a refiner is told of the picture.
        """
        height, width = self._size(height, width)
        copies, span = num_images_per_prompt, Span(strength, denoising_start, denoising_end)
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
        if isinstance(image, Tensor) and image.shape[-3:-2] == (self.vae.config.latent_channels,):
            raise PictureError(
                "image is latents, and what is outside the mask is taken from it: give the "
                "picture, and what the first part of a run has ended with as latents=..., with "
                "its denoising_start."
            )
        course, text, count = self._begin(
            prompts, num_inference_steps, guidance_scale, output_type, control, span
        )
        canvas = make_canvas(
            image,
            mask_image,
            (width, height),
            multiple=self.vae.downscale,
            padding=padding_mask_crop,
            blur=mask_blur,
            paste=paste_back,
        )
        return (
            yield from self._repaint(
                course,
                self._sized(text, sizes, (height, width)),
                canvas,
                count=count,
                copies=copies,
                span=span,
                fill=fill,
                masked_image_latents=masked_image_latents,
                generator=generator,
                latents=latents,
                eta=eta,
                output_type=output_type,
            )
        )
