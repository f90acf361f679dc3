"""The loop from noise to latents, the same for every task."""

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.models.unet2d_condition import UNet2DConditionModel
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
    unet: UNet2DConditionModel,
    scheduler: Any,
    latents: Tensor,
    text: Tensor,
    *,
    guidance_scale: float,
    generator: Generators = None,
    eta: float = 0.0,
    control: Control | None = None,
) -> Generator[Progress, None, Tensor]:
    """Run a scheduler whose timesteps are set, from `latents` to the end; returns the last latents.

    latents: (B, C, h, w), scaled to the scheduler's first sigma.
    text: (B, L, D), or (2 B, L, D) with the negative half first, for classifier-free guidance
    (Ho and Salimans 2022). Raises `RunCancelled` within one step of the control's asking.
    """
    control = control or Control()
    guided = len(text) == 2 * len(latents)
    timesteps = scheduler.timesteps
    # One host copy before the loop, so that no step waits for the device.
    numbers = timesteps.tolist()
    conditioning = unet.condition(timesteps, text)
    options = {"eta": eta} if "eta" in scheduler.step_options else {}
    start = time.perf_counter()
    for index, timestep in enumerate(timesteps):
        control.check(index)
        sample = scheduler.scale_model_input(latents, timestep)
        prediction = unet.predict(
            torch.cat([sample, sample]) if guided else sample, conditioning.at(index)
        ).float()
        if guided:
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
