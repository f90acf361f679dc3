"""Text to image with Stable Diffusion."""

import functools
from collections.abc import Generator
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from engine.errors import RequestError
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.unet2d_condition import UNet2DConditionModel
from engine.noise import Generators
from engine.pipelines.control import Control
from engine.pipelines.denoise import Progress, denoise
from engine.pipelines.limits import check_argument
from engine.pipelines.pipeline import PipelineOutput
from engine.pipelines.request import Request
from engine.pipelines.sampling import SamplingPipeline
from engine.pipelines.text import as_prompts, encode

__all__ = ["StableDiffusionPipeline"]


class StableDiffusionPipeline(SamplingPipeline):
    """Latent diffusion from a text (Rombach et al. 2022)."""

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    text_encoder: Any
    tokenizer: Any

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: Any,
        tokenizer: Any,
        unet: UNet2DConditionModel,
        scheduler: Any,
        safety_checker: None = None,
        feature_extractor: None = None,
    ) -> None:
        super().__init__(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            scheduler=scheduler,
            safety_checker=safety_checker,
            feature_extractor=feature_extractor,
        )

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
    ) -> Generator[Progress, None, PipelineOutput]:
        """Draw pictures of a prompt, or of a list of them.

        height, width: pixels, multiples of 8; the model's own size if not given.
        guidance_scale: 1 or less runs without guidance, at half the cost; a model that reads it
        (`time_cond_proj_dim`) always does, and takes no negative prompt.
        generator: one for all, or a list with one for each image.
        latents: (B, C, h, w) unit noise in place of drawn one.
        prompt_embeds, negative_prompt_embeds: (B, L, D) in place of the texts.
        output_type: "pil", "np" (B, H, W, 3) or "pt" (B, 3, H, W) in 0..1, or "latent".
        return_dict: taken as callers of diffusers give it; the output is a tuple either way.
        Raises `RequestError` for what cannot be run, `RunCancelled` when `control` asks for it.
        """
        height, width = self._size(height, width)
        self._check(num_inference_steps, output_type, ("pil", "np", "pt", "latent"))
        check_argument("num_images_per_prompt", num_images_per_prompt, 1)
        course = self._course(num_inference_steps, guidance_scale, control)

        @functools.cache
        def text(guided: bool) -> Tensor:
            return self._encode(
                prompt,
                negative_prompt,
                prompt_embeds,
                negative_prompt_embeds,
                num_images_per_prompt,
                guided,
            )

        if negative_prompt or negative_prompt_embeds is not None:
            text(True)  # guidance may come on the way: what is wrong with it is told now
        scale = self.vae.downscale
        count = len(text(course.guided)) // (2 if course.guided else 1)
        shape = (count, self.unet.config.in_channels, height // scale, width // scale)
        latents = yield from denoise(
            self.unet,
            course,
            self._noise(shape, generator, latents),
            lambda timesteps, guided: self.unet.condition(
                timesteps,
                text(guided),
                timestep_cond=self.unet.embed_guidance(course.guidance_scale),
            ),
            generator=generator,
            options={"eta": eta},
        )
        if output_type == "latent":
            return PipelineOutput(latents)
        return PipelineOutput(self._pictures(self._decode(latents), output_type))

    def arguments(self, request: Request) -> dict[str, Any]:
        return {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "height": request.height or None,
            "width": request.width or None,
            "guidance_scale": request.guidance_scale,
            "num_images_per_prompt": request.count,
        }

    def preview(self, progress: Progress) -> list[Image.Image]:
        return self.vae.previewer(progress.x0)

    def _size(self, height: int | None, width: int | None) -> tuple[int, int]:
        high, wide = (side * self.vae.downscale for side in self._own_size() or (64, 64))
        sizes = {
            "height": high if height is None else height,
            "width": wide if width is None else width,
        }
        for name, value in sizes.items():
            check_argument(name, value, 8)
            if value % 8:
                raise RequestError(f"{name} is {value}: it must be a multiple of 8, 8 or more.")
        return sizes["height"], sizes["width"]

    def _encode(
        self,
        prompt: str | list[str] | None,
        negative_prompt: str | list[str] | None,
        prompt_embeds: Tensor | None,
        negative_prompt_embeds: Tensor | None,
        copies: int,
        guided: bool,
    ) -> Tensor:
        """Return the text (B, L, D) of every image, or (2 B, L, D), the negative half first."""
        if (prompt is None) == (prompt_embeds is None):
            raise RequestError("give either prompt or prompt_embeds, not both and not neither.")
        if prompt_embeds is None:
            assert prompt is not None
            prompts = as_prompts("prompt", prompt)
            if not prompts or not all(text.strip() for text in prompts):
                raise RequestError("prompt is empty: say what the picture should show.")
            prompt_embeds = encode(self.tokenizer, self.text_encoder, prompts)
        prompt_embeds = prompt_embeds.to(self.device).repeat_interleave(copies, 0)
        if not guided:
            return prompt_embeds
        if negative_prompt_embeds is None:
            negatives = as_prompts(
                "negative_prompt", negative_prompt or "", len(prompt_embeds) // copies
            )
            negative_prompt_embeds = encode(self.tokenizer, self.text_encoder, negatives)
        negative_prompt_embeds = negative_prompt_embeds.to(self.device).repeat_interleave(copies, 0)
        if negative_prompt_embeds.shape != prompt_embeds.shape:
            raise RequestError(
                f"negative_prompt_embeds has the shape {list(negative_prompt_embeds.shape)}, "
                f"prompt_embeds {list(prompt_embeds.shape)}: they must be equal."
            )
        return torch.cat([negative_prompt_embeds, prompt_embeds])

    def _decode(self, latents: Tensor) -> Tensor:
        """Pixels in -1..1, one picture at a time so that memory does not grow with the batch."""
        latents = latents / self.vae.config.scaling_factor
        return torch.cat([self.vae.decode(one[None]).sample for one in latents])
