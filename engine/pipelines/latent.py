"""What all tasks of Stable Diffusion share: text, latents, the run itself."""

import copy
import functools
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias

import torch
from PIL import Image
from torch import Tensor

from engine.errors import RequestError
from engine.images import as_pixels, whole_size
from engine.models.autoencoder_kl import AutoencoderKL, DiagonalGaussian
from engine.models.unet2d_condition import UNet2DConditionModel
from engine.noise import Generators
from engine.pictures import fit
from engine.pipelines.control import Control
from engine.pipelines.course import Course
from engine.pipelines.denoise import Hold, Progress, Start, denoise, from_picture
from engine.pipelines.limits import check_argument
from engine.pipelines.pipeline import PipelineOutput
from engine.pipelines.request import Request
from engine.pipelines.sampling import SamplingPipeline
from engine.pipelines.text import Prompts, encode

__all__ = ["LatentPipeline", "Run", "spread"]

Run: TypeAlias = Generator[Progress, None, PipelineOutput]
Text: TypeAlias = Callable[[bool], Tensor]
"""What the model reads, with guidance or without, as `Prompts.encoded` makes it."""
OUTPUT_TYPES = ("pil", "np", "pt", "latent")


class LatentPipeline(SamplingPipeline):
    """Latent diffusion from a text (Rombach et al. 2022); a subclass writes `stream`.

    What the arguments of all of them mean: prompt, negative_prompt: a text, or a list of N.
    num_inference_steps: of the whole schedule. guidance_scale: 1 or less runs without guidance, at
    half the cost; a model that reads it (`time_cond_proj_dim`) always does, and takes no negative
    prompt. num_images_per_prompt: B is N times as many. eta: of DDIM, 0 to 1.
    generator: one for all, or a list with one for each image; None is torch's own.
    prompt_embeds, negative_prompt_embeds: (N, L, D) in place of the texts.
    output_type: "pil", "np" (B, H, W, 3) or "pt" (B, 3, H, W) in 0..1, or "latent".
    return_dict: taken as callers of diffusers give it; the output is a tuple either way.
    Raise `RequestError` for what cannot be run, and `RunCancelled` when `control` asks for it.
    """

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

    def preview(self, progress: Progress) -> list[Image.Image]:
        return self.vae.previewer(progress.x0)

    def unet_channels(self) -> tuple[int, ...]:
        """How many channels the UNet of a checkpoint for this task may take."""
        return (self.vae.config.latent_channels,)

    def check_components(self) -> None:
        found, known = self.unet.config.in_channels, self.unet_channels()
        if found not in known:
            latent = self.vae.config.latent_channels
            purposes = {latent: "text", latent + 1: "depth-to-image", 2 * latent + 1: "inpainting"}
            raise RequestError(
                f"{type(self).__name__} needs a UNet that takes {' or '.join(map(str, known))} "
                f"channels, and this one takes {found}, as for {purposes.get(found, 'no task')}: "
                "choose another checkpoint."
            )

    def _size(self, height: int | None, width: int | None) -> tuple[int, int]:
        """Height and width in pixels; the model's own for None."""
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

    def size_of(self, request: Request) -> tuple[int, int]:
        height, width = self._size(request.height or None, request.width or None)
        return width, height

    def _words(self, request: Request) -> dict[str, Any]:
        """The arguments of `stream` that all tasks have."""
        return {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "guidance_scale": request.guidance_scale,
            "num_images_per_prompt": request.count,
        }

    def _fitted(self, field: str, request: Request, picture: Image.Image) -> Image.Image:
        """The picture of a field, in RGB or F, at the size of a request in the way it says."""
        whole_size(field, picture.size, self.vae.downscale)
        return fit(picture, *self.size_of(request), request.fit)

    def _begin(
        self,
        prompts: Prompts,
        steps: int,
        guidance_scale: float,
        output_type: str,
        control: Control | None,
        strength: float = 1.0,
    ) -> tuple[Course, Text, int]:
        """The course of a run, its text, encoded when first asked for, and the number of images."""
        self._check(steps, output_type, OUTPUT_TYPES)
        check_argument("num_images_per_prompt", prompts.copies, 1)
        self.check_components()
        course = self._course(steps, guidance_scale, control, strength)

        @functools.cache
        def text(guided: bool) -> Tensor:
            encoder = functools.partial(encode, self.tokenizer, self.text_encoder)
            return prompts.encoded(encoder, guided).to(self.device)

        if prompts.negative:
            text(True)  # guidance may come on the way: what is wrong with it is told now
        return course, text, len(text(course.guided)) // (2 if course.guided else 1)

    def _encode(self, pixels: Tensor, *, count: int, copies: int, generator: Generators) -> Tensor:
        """Scaled latents (B, C, h, w) of pixels (N, 3, H, W), in float32, as `spread` repeats.

        Drawn as diffusers draws them: with a generator for each image by those, else once for each
        of the N pictures. They are encoded one at a time, as `_decode`.
        """
        found = [self.vae.encode(one.to(self.device)).latent_dist for one in pixels.split(1)]
        moments = torch.cat([torch.cat([one.mean, one.logvar], dim=1) for one in found])
        each = isinstance(generator, Sequence)
        if each:
            moments = spread("image", moments, count, copies)
        latents = DiagonalGaussian(moments).sample(generator)
        latents = latents.float() * self.vae.config.scaling_factor
        return latents if each else spread("image", latents, count, copies)

    def _from_picture(
        self, image: Any, count: int, copies: int, generator: Generators
    ) -> tuple[Tensor, Start]:
        """Latents (B, C, h, w) of a picture, or such, and what begins with them under noise."""
        if isinstance(image, Tensor) and image.shape[-3:-2] == (self.vae.config.latent_channels,):
            latents = image.to(self.device, torch.float32)
            latents = spread(
                "image", latents if latents.ndim == 4 else latents[None], count, copies
            )
        else:
            pixels = as_pixels("image", image, self.vae.downscale)
            latents = self._encode(pixels, count=count, copies=copies, generator=generator)
        return latents, from_picture(latents, self._noise(tuple(latents.shape), generator))

    def _draw(
        self,
        course: Course,
        text: Text,
        start: Start,
        *,
        generator: Generators,
        eta: float,
        output_type: str,
        extra: Tensor | None = None,
        hold: Hold | None = None,
    ) -> Run:
        latents = yield from denoise(
            self.unet,
            course,
            start,
            lambda timesteps, guided: self.unet.condition(
                timesteps,
                text(guided),
                timestep_cond=self.unet.embed_guidance(course.guidance_scale),
            ),
            generator=generator,
            options={"eta": eta},
            extra=extra,
            hold=hold,
        )
        if output_type == "latent":
            return PipelineOutput(latents)
        return PipelineOutput(self._pictures(self._decode(latents, course), output_type))

    def _decode(self, latents: Tensor, course: Course) -> Tensor:
        """Pixels in -1..1, one picture at a time so that memory does not grow with the batch.

        Some autoencoders overflow in float16: such a picture is decoded again in float32.
        """
        self._check_finite(latents)
        vae, pictures = self.vae, []
        for one in latents / self.vae.config.scaling_factor:
            course.check()
            picture = vae.decode(one[None]).sample
            if vae.dtype != torch.float32 and not bool(torch.isfinite(picture).all()):
                vae = copy.deepcopy(self.vae).float()  # its own weights stay as they are
                picture = vae.decode(one[None]).sample
            pictures.append(picture)
        return torch.cat(pictures)


def spread(name: str, values: Tensor, count: int, copies: int) -> Tensor:
    """Repeat what was given once for all images, or once for each text, for each of the images.

    values: (1, ...), (count / copies, ...) or (count, ...). Raises `RequestError` for others.
    """
    n = len(values)
    if n == count:
        return values
    if n not in (1, count // copies):
        raise RequestError(
            f"{name} has {n} entries for {count // copies} prompts: give one, or one each prompt."
        )
    return values.repeat_interleave(count if n == 1 else copies, 0)
