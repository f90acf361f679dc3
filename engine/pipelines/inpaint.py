"""Repaint a part of a picture."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from PIL import ImageChops
from torch import Tensor

from engine.checks import choice
from engine.errors import RequestError
from engine.noise import Generators, draw_noise
from engine.pictures import as_mask
from engine.pipelines.canvas import Canvas, PastedCanvas, make_canvas, marked
from engine.pipelines.control import Control
from engine.pipelines.denoise import Hold, from_noise, from_picture
from engine.pipelines.latent import LatentPipeline, Run, spread
from engine.pipelines.limits import FILLS
from engine.pipelines.pipeline import Pictures, PipelineOutput
from engine.pipelines.request import Request
from engine.pipelines.text import Prompts
from engine.schedulers.points import Point

__all__ = ["StableDiffusionInpaintPipeline"]


class StableDiffusionInpaintPipeline(LatentPipeline):
    """With a UNet that is shown the mask and what is outside it (Rombach et al. 2022, 4.5).

    With one of text to image, what is outside is put back after each call, under noise (Lugmayr et
    al. 2022, RePaint, arXiv 2201.09865, equation 8).
    """

    def unet_channels(self) -> tuple[int, ...]:
        latent = self.vae.config.latent_channels
        return latent, 2 * latent + 1

    @torch.no_grad()
    def stream(
        self,
        prompt: str | list[str] | None = None,
        image: Any = None,
        mask_image: Any = None,
        masked_image_latents: Tensor | None = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
        strength: float = 1.0,
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
        *,
        mask_blur: int = 0,
        fill: str = "original",
        paste_back: bool = False,
    ) -> Run:
        """Repaint what is marked; arguments as the base says, and these.

        image, mask_image, height, width, padding_mask_crop, mask_blur, paste_back: as
        `engine.pipelines.canvas.make_canvas` takes them; the size is the model's own if not given.
        masked_image_latents: (N, C, h, w), scaled, of the picture without what is marked, in place
        of those that are computed; only a UNet that is shown them takes them.
        strength: as in `StableDiffusionImg2ImgPipeline`; at 1 a run begins with noise alone.
        latents: (B, C, h, w) unit noise in place of drawn one.
        fill: what a run of less strength begins with, under noise, where it is marked: the
        "original", "noise", or "blank", which is latents of 0.
        """
        choice("fill", fill, FILLS)
        copies = num_images_per_prompt
        prompts = Prompts(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds, copies)
        course, text, count = self._begin(
            prompts, num_inference_steps, guidance_scale, output_type, control, strength
        )
        height, width = self._size(height, width)
        canvas = make_canvas(
            image,
            mask_image,
            (width, height),
            multiple=self.vae.downscale,
            padding=padding_mask_crop,
            blur=mask_blur,
            paste=paste_back,
        )
        if isinstance(canvas, PastedCanvas) and output_type != "pil":
            raise RequestError(
                f"output_type is {output_type!r}: what is pasted back comes as 'pil' only."
            )
        mask = marked(F.interpolate(canvas.mask, scale_factor=1 / self.vae.downscale))
        mask = spread("mask_image", mask.to(self.device), count, copies)
        encode = partial(self._encode, count=count, copies=copies, generator=generator)

        # drawn in the order of diffusers: the picture, the noise, what is outside the mask
        shown = self.unet.config.in_channels != self.vae.config.latent_channels
        picture = None if shown and strength == 1 else encode(canvas.pixels)
        shape = (count, self.vae.config.latent_channels, *mask.shape[2:])
        noise = self._noise(shape, generator, latents)
        outside = self._outside(canvas, masked_image_latents, shape, copies, generator)
        start = from_noise(noise)
        if strength < 1:
            assert picture is not None
            start = from_picture(filled(picture, mask, fill, generator), noise)
        output = yield from self._draw(
            course,
            text,
            start,
            generator=generator,
            eta=eta,
            output_type=output_type,
            extra=None if outside is None else torch.cat([mask, outside], dim=1),
            hold=None if picture is None or shown else keeping(picture, noise, mask),
        )
        if isinstance(canvas, PastedCanvas):
            return PipelineOutput([canvas.pasted(one) for one in output.images])
        return output

    def arguments(self, request: Request, pictures: Pictures) -> dict[str, Any]:
        width, height = self.size_of(request)
        mask = as_mask(pictures["mask"])
        return self._words(request) | {
            "image": pictures["image"],
            "mask_image": ImageChops.invert(mask) if request.invert_mask else mask,
            "width": width,
            "height": height,
            "padding_mask_crop": request.padding,
            "strength": request.strength,
            "mask_blur": request.mask_blur,
            "fill": request.fill,
            "paste_back": True,
        }

    def _outside(
        self,
        canvas: Canvas,
        given: Tensor | None,
        shape: tuple[int, ...],
        copies: int,
        generator: Generators,
    ) -> Tensor | None:
        """Latents (B, C, h, w) of what is outside the mask, for a UNet that is shown them."""
        shown = self.unet.config.in_channels != shape[1]
        if given is not None:
            if not shown or given.shape[1:] != shape[1:]:
                raise RequestError(
                    f"masked_image_latents has the shape {list(given.shape)}, needed: "
                    f"{['N', *shape[1:]] if shown else 'none, as this UNet is not shown them'}."
                )
            given = given.to(self.device, torch.float32)
            return spread("masked_image_latents", given, shape[0], copies)
        pixels = canvas.pixels * (canvas.mask < 0.5)
        if shown:
            return self._encode(pixels, count=shape[0], copies=copies, generator=generator)
        # not needed, but diffusers draws for it, and what is drawn on the way comes after
        rows = (
            len(pixels) if generator is None or isinstance(generator, torch.Generator) else shape[0]
        )
        draw_noise((rows, *shape[1:]), generator, self.device, self.dtype)
        return None


def filled(picture: Tensor, mask: Tensor, fill: str, generator: Generators) -> Tensor:
    """Latents (B, C, h, w) with something else, of `FILLS`, where the mask (B, 1, h, w) is 1."""
    if fill == "original":
        return picture
    other = torch.zeros_like(picture)
    if fill == "noise":
        other = draw_noise(picture.shape, generator, picture.device)
    return torch.where(mask > 0, other, picture)


def keeping(picture: Tensor, noise: Tensor, mask: Tensor) -> Hold:
    """Put the latents of a picture back, under its noise, where the mask (B, 1, h, w) is 0."""

    def hold(latents: Tensor, point: Point | None) -> Tensor:
        known = picture if point is None else point.noised(picture, noise)
        return torch.where(mask > 0, latents, known)

    return hold
