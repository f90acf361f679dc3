"""The loop from noise to a sample, the same for every task."""

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.models.conditioning import Conditioning
from engine.models.unet import UNet
from engine.noise import Generators
from engine.pipelines.control import Control

__all__ = ["Progress", "denoise"]


@dataclass(frozen=True)
class Progress:
    """The state after one call of the model.

    step: 1 to total. timestep: of the model's call.
    latents: (B, C, h, w), the sample now. x0: (B, C, h, w), what the model believes the end to be.
    seconds: since the loop began.
    """

    step: int
    total: int
    timestep: float
    latents: Tensor
    x0: Tensor
    seconds: float


def denoise(
    unet: UNet,
    scheduler: Any,
    latents: Tensor,
    conditioning: Conditioning,
    *,
    guidance_scale: float | None = None,
    generator: Generators = None,
    options: Mapping[str, Any],
    control: Control | None = None,
) -> Generator[Progress, None, Tensor]:
    """Run a scheduler whose timesteps are set, from `latents` to the end; returns the last latents.

    latents: (B, C, h, w), scaled to the scheduler's first sigma; pixels where the model works on
    pixels. conditioning: of the scheduler's timesteps.
    guidance_scale: for classifier-free guidance (Ho and Salimans 2022), where the conditioning is
    of 2 B texts with the negative half first; None without.
    options: for `scheduler.step`; those that its class does not have are left out.
    Raises `RunCancelled` within one step of the control's asking.
    """
    control = control or Control()
    timesteps = scheduler.timesteps
    # One host copy before the loop, so that no step waits for the device.
    numbers = timesteps.tolist()
    options = {key: value for key, value in options.items() if key in scheduler.step_options}
    start = time.perf_counter()
    for index, timestep in enumerate(timesteps):
        control.check(index)
        sample = scheduler.scale_model_input(latents, timestep)
        if guidance_scale is not None:
            sample = torch.cat([sample, sample])
        prediction = unet.predict(sample, conditioning.at(index)).float()
        if guidance_scale is not None:
            negative, positive = prediction.chunk(2)
            prediction = negative + guidance_scale * (positive - negative)
        result = scheduler.step(prediction, timestep, latents, generator=generator, **options)
        latents = result.prev_sample
        yield Progress(
            step=index + 1,
            total=len(numbers),
            timestep=numbers[index],
            latents=latents,
            x0=result.pred_original_sample,
            seconds=time.perf_counter() - start,
        )
    return latents
