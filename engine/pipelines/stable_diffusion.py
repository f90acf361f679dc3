"""Text to image with Stable Diffusion."""

from typing import Any

import torch
from torch import Tensor

from engine.noise import Generators
from engine.pipelines.control import Control
from engine.pipelines.denoise import from_noise
from engine.pipelines.latent import LatentPipeline, Run
from engine.pipelines.pipeline import Pictures
from engine.pipelines.request import Request
from engine.pipelines.text import Prompts

__all__ = ["StableDiffusionPipeline"]


class StableDiffusionPipeline(LatentPipeline):
    """A picture out of noise and a text."""

    @torch.no_grad()
    def stream(
        self,
        prompt: str | list[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 50,
        guidance_scale: float = 7.5,
        negative_prompt: str | list[str] | None = None,
        num_images_per_prompt: int = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        control: Control | None = None,
    ) -> Run:
        """Draw pictures of a prompt, or of a list of them; arguments as the base says, and these.

        height, width: pixels, multiples of 8; the model's own size if not given.
        latents: (B, C, h, w) unit noise in place of drawn one.
        """
        height, width = self._size(height, width)
        prompts = Prompts(
            prompt, negative_prompt, prompt_embeds, negative_prompt_embeds, num_images_per_prompt
        )
        course, text, count = self._begin(
            prompts, num_inference_steps, guidance_scale, output_type, control
        )
        scale = self.vae.downscale
        shape = (count, self.vae.config.latent_channels, height // scale, width // scale)
        return (
            yield from self._draw(
                course,
                text,
                from_noise(self._noise(shape, generator, latents)),
                generator=generator,
                eta=eta,
                output_type=output_type,
            )
        )

    def arguments(self, request: Request, pictures: Pictures) -> dict[str, Any]:
        width, height = self.size_of(request)
        return self._words(request) | {"width": width, "height": height}
