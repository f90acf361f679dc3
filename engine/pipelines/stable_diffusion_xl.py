"""From a text to a picture with SDXL."""

import torch
from torch import Tensor

from engine.noise import Generators
from engine.pipelines.control import Control
from engine.pipelines.latent import Run
from engine.pipelines.sizes import Sizes
from engine.pipelines.span import Span
from engine.pipelines.stable_diffusion import TextToImage
from engine.pipelines.text import Prompts
from engine.pipelines.xl import XLPipeline

__all__ = ["StableDiffusionXLPipeline"]


class StableDiffusionXLPipeline(XLPipeline, TextToImage):
    """SDXL (Podell et al. 2023, arXiv 2307.01952)."""

    @torch.no_grad()
    def stream(
        self,
        prompt: str | list[str] | None = None,
        prompt_2: str | list[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 50,
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
        control: Control | None = None,
    ) -> Run:
        """Draw pictures of a prompt, or of a list of them; arguments as the bases say, and these.

        height, width: pixels, multiples of 8; the model's own size if not given.
        latents: (B, C, h, w) unit noise in place of drawn one.
        """
        height, width = self._size(height, width)
        prompts = Prompts(
            prompt,
            negative_prompt,
            prompt_embeds,
            negative_prompt_embeds,
            num_images_per_prompt,
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
        )
        course, text, count = self._begin(
            prompts,
            num_inference_steps,
            guidance_scale,
            output_type,
            control,
            Span(end=denoising_end),
        )
        return (
            yield from self._paint(
                course,
                self._sized(text, sizes, (height, width)),
                (count, height, width),
                generator=generator,
                latents=latents,
                eta=eta,
                output_type=output_type,
            )
        )
