"""The loop from noise to a sample, the same for every task."""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from engine.models.conditioning import Conditioning
from engine.models.unet import UNet
from engine.noise import Generators
from engine.pipelines.changes import Taken
from engine.pipelines.course import Course
from engine.schedulers.points import Point, combine

__all__ = ["Hold", "Progress", "Start", "denoise", "from_noise", "from_picture"]

Start: TypeAlias = Callable[[Any], Tensor]
"""Makes the first latents (B, C, h, w) of a run, at the level where the scheduler given begins."""
Hold: TypeAlias = Callable[[Tensor, Point | None], Tensor]
"""Puts back, in latents (B, C, h, w) at a point, what must stay as it is; None: without noise."""


@dataclass(frozen=True)
class Progress:
    """The state after one call of the model.

    step: the one in hand, 1 to total, as a run is asked for. call: 1 to calls; some samplers make
    several a step. A change on the way can move both ends. point: of the model's call.
    latents: (B, C, h, w), the sample now. x0: (B, C, h, w), what the model believes the end to be.
    sizes: (3,), where the model computes: root mean squares of x, x0 and eps at the call, of the
    first image, in x = x0 + sigma * eps.
    seconds: since the loop began. taken: the changes that were met before the call.
    scheduler: whose step it was.
    """

    step: int
    total: int
    call: int
    calls: int
    point: Point
    latents: Tensor
    x0: Tensor
    sizes: Tensor
    seconds: float
    taken: tuple[Taken, ...]
    scheduler: Any

    @property
    def timestep(self) -> float:
        """Of the model's call."""
        return self.point.timestep

    @property
    def whole(self) -> bool:
        """Whether the step ends with this call."""
        points, following = self.scheduler.points, self.point.index + 1
        return following == len(points) or points[following].stage == 0


def from_noise(noise: Tensor) -> Start:
    """Start from unit noise (B, C, h, w) alone."""
    return lambda scheduler: noise * scheduler.init_noise_sigma


def from_picture(latents: Tensor, noise: Tensor) -> Start:
    """Start from a picture's latents (B, C, h, w) under noise (Meng et al. 2022, SDEdit)."""
    return lambda scheduler: scheduler.points[scheduler.begin_index].noised(latents, noise)


def denoise(
    unet: UNet,
    course: Course,
    start: Start,
    condition: Callable[[Tensor, bool], Conditioning],
    *,
    generator: Generators = None,
    options: Mapping[str, Any],
    extra: Tensor | None = None,
    hold: Hold | None = None,
) -> Generator[Progress, None, Tensor]:
    """Run a course to its end; returns the last latents (B, C, h, w).

    start: what the run begins with; pixels where the model works on pixels.
    condition: what the model is to know at timesteps (N,); where the second argument says that
    there is classifier-free guidance (Ho and Salimans 2022), of 2 B texts, the negative half first.
    options: for `scheduler.step`; those that its class does not have are left out.
    extra: (B, n, h, w), channels that the model is shown after those of the sample.
    hold: called after each call of the model.
    Raises `RunCancelled` within one step of the control's asking.
    """
    began = time.perf_counter()
    latents: Tensor | None = None
    for turn in course.turns():
        scheduler, guided, guidance = course.scheduler, course.guided, course.guidance_scale
        if turn.fresh:
            conditioning = condition(scheduler.timesteps, guided)
            own = {key: value for key, value in options.items() if key in scheduler.step_options}
        if latents is None:
            latents = start(scheduler)
        elif turn.carry != 1:
            latents = latents * turn.carry
        sample = scheduler.scale_model_input(latents, turn.timestep)
        if extra is not None:
            sample = torch.cat([sample, extra], dim=1)
        if guided:
            sample = torch.cat([sample, sample])
        prediction = unet.predict(sample, conditioning.at(turn.point.index)).float()
        if guided:
            negative, positive = prediction.chunk(2)
            prediction = negative + guidance * (positive - negative)
        result = scheduler.step(prediction, turn.timestep, latents, generator=generator, **own)
        sizes = _sizes(turn.point, latents, result.pred_original_sample, prediction)
        latents, x0 = result
        if hold is not None:
            latents, x0 = hold(latents, course.following), hold(x0, None)
        yield Progress(
            step=course.steps,
            total=course.all_steps,
            call=course.calls + 1,
            calls=course.all_calls,
            point=turn.point,
            latents=latents,
            x0=x0,
            sizes=sizes,
            seconds=time.perf_counter() - began,
            taken=turn.taken,
            scheduler=scheduler,
        )
    assert latents is not None, "a schedule has a step at least"
    return latents


def _sizes(at: Point, sample: Tensor, x0: Tensor, prediction: Tensor) -> Tensor:
    x = sample[0].float() / at.scale
    # beside the noise, a prediction may hold its variance
    eps = combine(at.eps, x, prediction[0, : len(x)])
    return torch.stack([one.square().mean().sqrt() for one in (x, x0[0].float(), eps)])
