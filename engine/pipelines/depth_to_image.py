"""From a picture to another one of the same depth."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engine.errors import PictureError, RequestError
from engine.images import as_maps, as_pictures, as_pixels, to_pil
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.unet2d_condition import UNet2DConditionModel
from engine.noise import Generators
from engine.pictures import FLAT, as_depth, as_rgb
from engine.pipelines.control import Control
from engine.pipelines.latent import LatentPipeline, Run, spread
from engine.pipelines.pipeline import DiffusionPipeline, Pictures
from engine.pipelines.request import Request
from engine.pipelines.text import Prompts

__all__ = ["StableDiffusionDepth2ImgPipeline", "estimate_depth", "normalized"]


class StableDiffusionDepth2ImgPipeline(LatentPipeline):
    """Image to image by a UNet that is shown the depth too (Stable Diffusion 2, depth)."""

    depth_estimator: Any
    feature_extractor: Any

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: Any,
        tokenizer: Any,
        unet: UNet2DConditionModel,
        scheduler: Any,
        depth_estimator: Any,
        feature_extractor: Any,
    ) -> None:
        """depth_estimator, feature_extractor: a DPTForDepthEstimation and its image processor."""
        DiffusionPipeline.__init__(
            self,
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            scheduler=scheduler,
            depth_estimator=depth_estimator,
            feature_extractor=feature_extractor,
        )

    def unet_channels(self) -> tuple[int, ...]:
        return (self.vae.config.latent_channels + 1,)

    @torch.no_grad()
    def stream(
        self,
        prompt: str | list[str] | None = None,
        image: Any = None,
        depth_map: Any = None,
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
        """Change a picture towards a prompt and keep its depth; arguments as the base says.

        image, strength: as in `StableDiffusionImg2ImgPipeline`, but that latents need a depth_map.
        depth_map: as `engine.images.as_maps` takes it, in any unit and size, larger is nearer, as
        in inverse depth; negate it where larger is farther. It is estimated if not given.
        """
        copies = num_images_per_prompt
        prompts = Prompts(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds, copies)
        course, text, count = self._begin(
            prompts, num_inference_steps, guidance_scale, output_type, control, strength
        )
        name = "image" if depth_map is None else "depth_map"
        depth = self.estimate(image) if depth_map is None else depths(depth_map)
        latents, start = self._from_picture(image, count, copies, generator)
        shown = normalized(depth.to(self.device), latents.shape[2:])
        return (
            yield from self._draw(
                course,
                text,
                start,
                generator=generator,
                eta=eta,
                output_type=output_type,
                extra=spread(name, shown, count, copies),
            )
        )

    def arguments(self, request: Request, pictures: Pictures) -> dict[str, Any]:
        depth = None
        if "depth_map" in pictures:
            own = Image.fromarray(as_depth(pictures["depth_map"]))
            depth = np.asarray(self._fitted("depth_map", request, own))
            depth = -depth if request.invert_depth else depth
        return self._words(request) | {
            "image": self._fitted("image", request, as_rgb(pictures["image"])),
            "depth_map": depth,
            "strength": request.strength,
        }

    def estimate(self, image: Any) -> Tensor:
        """As `estimate_depth`, by the pipeline's own estimator."""
        return estimate_depth(self.depth_estimator, self.feature_extractor, image)


@torch.no_grad()
def estimate_depth(depth_estimator: Any, feature_extractor: Any, image: Any) -> Tensor:
    """The depth (N, 1, H, W) of pictures as an estimator sees it, larger is nearer.

    image: as `engine.images.as_pixels` takes it; the others as the pipeline does. Raises
    `RequestError` where one of them is None.
    """
    if depth_estimator is None or feature_extractor is None:
        raise RequestError(
            "this pipeline has no depth_estimator and feature_extractor: give a depth_map, or "
            "load the checkpoint with them."
        )
    pictures = [as_rgb(one) for one in as_pictures("image", image)]
    if not pictures:
        pictures = to_pil(as_pixels("image", image, 1) / 2 + 0.5)
    values = feature_extractor(images=pictures, return_tensors="pt").pixel_values
    # in half precision, batch norms of hybrid estimators take no half
    half = depth_estimator.dtype != torch.float32
    with torch.autocast(depth_estimator.device.type, depth_estimator.dtype, enabled=half):
        values = values.to(depth_estimator.device, depth_estimator.dtype)
        depth = depth_estimator(values).predicted_depth
    return depth.float()[:, None]


def depths(depth_map: Any) -> Tensor:
    """A caller's depth (N, 1, H, W), of pictures at the full precision of their files."""
    return as_maps("depth_map", depth_map, lambda one: torch.from_numpy(as_depth(one)))


def normalized(depth: Tensor, size: torch.Size) -> Tensor:
    """Depth (N, 1, h, w) of the size given, each from -1, the farthest, to 1.

    Raises `PictureError` for one that has no near and no far.
    """
    depth = F.interpolate(depth, size=tuple(size), mode="bicubic", align_corners=False)
    low, high = depth.amin((1, 2, 3), keepdim=True), depth.amax((1, 2, 3), keepdim=True)
    if not bool((high > low).all()):
        raise PictureError(FLAT)
    return 2 * (depth - low) / (high - low) - 1
