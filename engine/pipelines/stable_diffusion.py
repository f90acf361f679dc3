"""Text to image with Stable Diffusion."""

from collections.abc import Generator
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from engine.errors import EngineError, RequestError
from engine.images import to_pil
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.unet2d_condition import UNet2DConditionModel
from engine.noise import Generators, draw_noise
from engine.pipelines.control import Control
from engine.pipelines.denoise import Progress, denoise
from engine.pipelines.pipeline import DiffusionPipeline, PipelineOutput
from engine.pipelines.request import Request
from engine.pipelines.text import as_prompts, encode
from engine.schedulers.registry import scheduler_named

__all__ = ["StableDiffusionPipeline"]


class StableDiffusionPipeline(DiffusionPipeline):
    """Latent diffusion from a text (Rombach et al. 2022)."""

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    text_encoder: Any
    tokenizer: Any
    scheduler: Any

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
        control: Control | None = None,
    ) -> Generator[Progress, None, PipelineOutput]:
        """Draw pictures of a prompt, or of a list of them.

        height, width: pixels, multiples of 8; the model's own size if not given.
        guidance_scale: 1 or less runs without guidance, at half the cost.
        generator: one for all, or a list with one for each image.
        latents: (B, C, h, w) unit noise in place of drawn one.
        prompt_embeds, negative_prompt_embeds: (B, L, D) in place of the texts.
        output_type: "pil", "np" (B, H, W, 3) or "pt" (B, 3, H, W) in 0..1, or "latent".
        Raises `RequestError` for what cannot be run, `RunCancelled` when `control` asks for it.
        """
        height, width = self._size(height, width)
        if output_type not in ("pil", "np", "pt", "latent"):
            raise RequestError(
                f"output_type is {output_type!r}; known: 'pil', 'np', 'pt', 'latent'."
            )
        if num_inference_steps < 1:
            raise RequestError(
                f"num_inference_steps is {num_inference_steps}: it must be 1 or more."
            )
        text = self._encode(
            prompt,
            negative_prompt,
            prompt_embeds,
            negative_prompt_embeds,
            num_images_per_prompt,
            guidance_scale > 1,
        )
        count = len(text) // (2 if guidance_scale > 1 else 1)
        self.scheduler.set_timesteps(num_inference_steps, device=self.device)
        noise = self._noise(count, height, width, generator, latents)
        latents = yield from denoise(
            self.unet,
            self.scheduler,
            noise * self.scheduler.init_noise_sigma,
            text,
            guidance_scale=guidance_scale,
            generator=generator,
            eta=eta,
            control=control,
        )
        return PipelineOutput(self._finish(latents, output_type))

    def stream_request(
        self, request: Request, control: Control | None = None
    ) -> Generator[Progress, None, PipelineOutput]:
        request.check()
        if request.scheduler:
            self.scheduler = scheduler_named(request.scheduler, self.scheduler.config)
        seeds = range(request.seed, request.seed + request.count)
        return self.stream(
            request.prompt,
            request.height or None,
            request.width or None,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            negative_prompt=request.negative_prompt,
            num_images_per_prompt=request.count,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            control=control,
        )

    def preview(self, progress: Progress) -> list[Image.Image]:
        return self.vae.previewer(progress.x0)

    def _size(self, height: int | None, width: int | None) -> tuple[int, int]:
        own = (self.unet.config.sample_size or 64) * self.vae.downscale
        sizes = {
            "height": own if height is None else height,
            "width": own if width is None else width,
        }
        for name, value in sizes.items():
            if value < 8 or value % 8:
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

    def _noise(
        self, count: int, height: int, width: int, generator: Generators, latents: Tensor | None
    ) -> Tensor:
        """Unit noise (B, C, h, w) in float32, drawn unless given."""
        scale = self.vae.downscale
        shape = (count, self.unet.config.in_channels, height // scale, width // scale)
        if isinstance(generator, list) and len(generator) != count:
            raise RequestError(f"generator has {len(generator)} entries for {count} images.")
        if latents is None:
            return draw_noise(shape, generator, self.device)
        if tuple(latents.shape) != shape:
            raise RequestError(
                f"latents has the shape {list(latents.shape)}, needed: {list(shape)}."
            )
        return latents.to(self.device, torch.float32)

    def _finish(self, latents: Tensor, output_type: str) -> Any:
        """Decode the latents, one picture at a time so that memory does not grow with the batch."""
        if output_type == "latent":
            return latents
        latents = latents / self.vae.config.scaling_factor
        decoded = [self.vae.decode(one[None]).sample for one in latents]
        pixels = (torch.cat(decoded).float() / 2 + 0.5).clamp(0, 1)
        if not bool(torch.isfinite(pixels).all()):
            raise EngineError(
                f"the picture has values that are not numbers in {self.dtype}: "
                "run this model in float32."
            )
        if output_type == "pt":
            return pixels
        return pixels.permute(0, 2, 3, 1).cpu().numpy() if output_type == "np" else to_pil(pixels)
