"""From a picture to another one like it."""

from typing import Any

import torch
from torch import Tensor

from engine.noise import Generators
from engine.pictures import as_rgb
from engine.pipelines.control import Control
from engine.pipelines.latent import LatentPipeline, Run
from engine.pipelines.pipeline import Pictures
from engine.pipelines.request import Request
from engine.pipelines.text import Prompts

__all__ = ["StableDiffusionImg2ImgPipeline"]


class StableDiffusionImg2ImgPipeline(LatentPipeline):
    """SDEdit (Meng et al. 2022, arXiv 2108.01073): noise over a picture, and from there on."""

    @torch.no_grad()
    def stream(
        self,
        prompt: str | list[str] | None = None,
        image: Any = None,
        strength: float = 0.8,
        num_inference_steps: int = 50,
        guidance_scale: float = 7.5,
        negative_prompt: str | list[str] | None = None,
        num_images_per_prompt: int = 1,
        eta: float = 0.0,
        generator: Generators = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        control: Control | None = None,
    ) -> Run:
        """Change a picture towards a prompt; arguments as the base says, and these.

        image: as `engine.images.as_pixels` takes it, squeezed to multiples of the autoencoder's
        downscale; or latents, a tensor (N, C, h, w). One for all prompts, or one each.
        strength: 0 to 1, how much noise is added: int(num_inference_steps * strength) steps are
        made, the last ones, and `Progress.total` says how many.
        """
        copies = num_images_per_prompt
        prompts = Prompts(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds, copies)
        course, text, count = self._begin(
            prompts, num_inference_steps, guidance_scale, output_type, control, strength
        )
        _, start = self._from_picture(image, count, copies, generator)
        return (
            yield from self._draw(
                course,
                text,
                start,
                generator=generator,
                eta=eta,
                output_type=output_type,
            )
        )

    def arguments(self, request: Request, pictures: Pictures) -> dict[str, Any]:
        return self._words(request) | {
            "image": self._fitted("image", request, as_rgb(pictures["image"])),
            "strength": request.strength,
        }
