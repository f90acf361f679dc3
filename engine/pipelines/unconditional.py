"""Pictures out of nothing but noise, in pixels."""

from collections.abc import Generator
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from engine.errors import RequestError
from engine.images import to_pil
from engine.models.unet2d import UNet2DModel
from engine.noise import Generators
from engine.pipelines.control import Control
from engine.pipelines.denoise import Progress, denoise, from_noise
from engine.pipelines.limits import check_argument
from engine.pipelines.pipeline import Pictures, PipelineOutput
from engine.pipelines.request import Request
from engine.pipelines.sampling import SamplingPipeline
from engine.schedulers.ddim import DDIMScheduler
from engine.schedulers.pndm import PNDMScheduler

__all__ = ["DDIMPipeline", "DDPMPipeline", "PNDMPipeline", "UnconditionalPipeline"]

Run = Generator[Progress, None, PipelineOutput]


class UnconditionalPipeline(SamplingPipeline):
    """The base of the family: a UNet over pixels and a scheduler.

    What the arguments of all of them mean: batch_size: how many pictures, of the model's own size.
    generator: one for all, or a list with one for each picture; None is torch's own.
    output_type: "pil", "np" (B, H, W, 3) or "pt" (B, 3, H, W) in 0..1.
    return_dict: taken as callers of diffusers give it; the output is a tuple either way.
    Raise `RequestError` for what cannot be run, and
    `RunCancelled` when `control` asks for it.
    """

    unet: UNet2DModel

    def __init__(self, unet: UNet2DModel, scheduler: Any) -> None:
        super().__init__(unet=unet, scheduler=scheduler)

    def arguments(self, request: Request, pictures: Pictures) -> dict[str, Any]:
        height, width = self._size()
        for name, own in (("height", height), ("width", width)):
            if getattr(request, name) not in (0, own):
                raise RequestError(
                    f"{name} is {getattr(request, name)}: this model draws pictures of "
                    f"{width} x {height} pixels only; give {own}, or 0 for its own."
                )
        return {"batch_size": request.count}

    def size_of(self, request: Request) -> tuple[int, int]:
        height, width = self._size()
        return width, height

    def preview(self, progress: Progress) -> list[Image.Image]:
        return to_pil(progress.x0 / 2 + 0.5)

    def film(self, progress: Progress) -> list[Image.Image]:
        """Show the sample itself, noise that turns into a picture: one an image."""
        sample, point = progress.latents, progress.point
        if progress.call < progress.calls:
            sample = sample / (point.next_scale * (1 + point.next_sigma**2) ** 0.5)
        return to_pil(sample / 2 + 0.5)

    @torch.no_grad()
    def _draw(
        self,
        count: int,
        generator: Generators,
        steps: int,
        *,
        output_type: str,
        control: Control | None,
        **options: Any,
    ) -> Run:
        self._check(steps, output_type, ("pil", "np", "pt"))
        check_argument("batch_size", count, 1)
        course = self._course(steps, None, control)
        shape = (count, self.unet.config.in_channels, *self._size())
        sample: Tensor = yield from denoise(
            self.unet,
            course,
            from_noise(self._noise(shape, generator)),
            lambda timesteps, guided: self.unet.condition(timesteps),
            generator=generator,
            options=options,
        )
        return PipelineOutput(self._pictures(sample, output_type))

    def _size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        size = self._own_size()
        if size is None:
            raise RequestError("the model's configuration has no sample_size: it must say one.")
        return size


class DDPMPipeline(UnconditionalPipeline):
    """Ho, Jain and Abbeel 2020: as many steps as in training, noise added at each."""

    def stream(
        self,
        batch_size: int = 1,
        generator: Generators = None,
        num_inference_steps: int = 1000,
        output_type: str = "pil",
        return_dict: bool = True,
        control: Control | None = None,
    ) -> Run:
        """Draw pictures with whatever scheduler there is; arguments as the base says."""
        return self._draw(
            batch_size,
            generator,
            num_inference_steps,
            output_type=output_type,
            control=control,
        )


class DDIMPipeline(UnconditionalPipeline):
    """Song, Meng and Ermon 2021: a checkpoint of any of the family, sampled with DDIM."""

    def __init__(self, unet: UNet2DModel, scheduler: Any) -> None:
        super().__init__(unet, DDIMScheduler.from_config(scheduler.config))

    def stream(
        self,
        batch_size: int = 1,
        generator: Generators = None,
        eta: float = 0.0,
        num_inference_steps: int = 50,
        use_clipped_model_output: bool | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        control: Control | None = None,
    ) -> Run:
        """Draw pictures; eta and use_clipped_model_output as in `DDIMScheduler.rule`."""
        return self._draw(
            batch_size,
            generator,
            num_inference_steps,
            output_type=output_type,
            control=control,
            eta=eta,
            use_clipped_model_output=bool(use_clipped_model_output),
        )


class PNDMPipeline(UnconditionalPipeline):
    """Liu et al. 2022: a checkpoint of any of the family, sampled with PNDM."""

    def __init__(self, unet: UNet2DModel, scheduler: Any) -> None:
        super().__init__(unet, PNDMScheduler.from_config(scheduler.config))

    def stream(
        self,
        batch_size: int = 1,
        num_inference_steps: int = 50,
        generator: Generators = None,
        output_type: str = "pil",
        return_dict: bool = True,
        control: Control | None = None,
    ) -> Run:
        """Draw pictures; arguments as the base says."""
        return self._draw(
            batch_size,
            generator,
            num_inference_steps,
            output_type=output_type,
            control=control,
        )
