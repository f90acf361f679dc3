"""What all schedulers do: the space x = x0 + sigma * eps, the step around a rule, adding noise.

A subclass is its configuration keys with their defaults, a few flags, and one `rule`.
"""

import copy
from collections.abc import Callable
from inspect import signature
from typing import Any, ClassVar, NamedTuple, TypeAlias

import torch
from torch import Tensor

from engine.checks import by_place
from engine.errors import EngineError
from engine.noise import Generators, draw_noise
from engine.outputs import keyed
from engine.schedulers.points import SCALES, Point, combine
from engine.schedulers.schedule import Schedule

__all__ = ["Noise", "Scheduler", "SchedulerOutput", "Step", "options_of"]

Noise: TypeAlias = Callable[[], Tensor]
Step: TypeAlias = tuple[Tensor, Tensor]
"""What a rule returns: x at the end of the step, and the x0 believed on the way."""


def options_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of its keywords that have no place."""
    parameters = signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


@keyed
class SchedulerOutput(NamedTuple):
    """prev_sample: the input of the next step; pred_original_sample: x0 as believed now."""

    prev_sample: Tensor
    pred_original_sample: Tensor

    @property
    def denoised(self) -> Tensor:
        """The x0, as LCM calls it."""
        return self.pred_original_sample


class Scheduler(Schedule):
    """The base of the family; its calls are those of diffusers' schedulers.

    A step costs a few tensor operations, with coefficients that are floats since `set_timesteps`.
    """

    step_options: ClassVar[tuple[str, ...]]
    """The keywords of its own that this class takes in `step`: `eta`, `s_churn`."""
    more_options: ClassVar[tuple[str, ...]] = ()
    """Those that the rule only passes on."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.step_options = options_of(cls.rule) + cls.more_options

    def rule(self, at: Point, x: Tensor, m: Tensor, *args: Any, **options: Any) -> Any:
        """Take x from `at.sigma` to `at.next_sigma`; return it with the x0 believed on the way.

        x: a sample over `at.scale`; m: the model's output for it, both in float32 or wider.
        A third argument, `noise`, draws unit noise shaped like x. Keywords are the class's own.
        """
        raise NotImplementedError

    def leg(self, here: Point) -> Point:
        """From where to where the rule goes when called at a point of the schedule."""
        return here

    def estimate(self, at: Point, x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        """x0, clipped or thresholded if so configured, and eps (never clipped)."""
        return self.original(at, x, m), combine(at.eps, x, m)

    def original(self, at: Point, x: Tensor, m: Tensor) -> Tensor:
        """The x0 of `estimate`, where eps is not asked for."""
        x0 = combine(at.x0, x, m)
        if self.setting("thresholding", False):
            # dynamic thresholding: Saharia et al. 2022 (arXiv 2205.11487), section 2.3
            size = x0.abs().flatten(1).quantile(self.config.dynamic_thresholding_ratio, dim=1)
            limit = size.clamp(1.0, self.config.sample_max_value).view(-1, *[1] * (x0.ndim - 1))
            return x0.clamp(-limit, limit) / limit
        if self.setting("clip_sample", False):
            return x0.clamp(-self.config.clip_sample_range, self.config.clip_sample_range)
        return x0

    def step(
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        *given: Any,
        generator: Generators = None,
        variance_noise: Tensor | None = None,
        return_dict: bool = True,
        **options: Any,
    ) -> SchedulerOutput:
        """Go one step: sample at `timestep` -> sample at the next one, and x0.

        model_output, sample: the same shape, batch first, but that a learned variance comes as
        more channels; computed in float32 at least, returned in the sample's dtype.
        timestep: an element of `timesteps`, or its value.
        generator: where a stochastic rule draws from, one or one per image; None is torch's own.
        variance_noise: unit noise to use instead. given, options: those in `step_options`.
        return_dict: taken as callers of diffusers give it; the output is a tuple either way.
        Before `set_timesteps` a step of the training schedule is taken and nothing remembered.
        """
        if variance_noise is not None and generator is not None:
            raise EngineError("Both generator and variance_noise are given: give one of them.")
        options = by_place(
            f"option of {type(self).__name__}.step", given, self.step_options, options
        )
        here = self.point(timestep)
        run = self
        if self.num_inference_steps is None:
            run = copy.copy(self)  # takes what is remembered with it, and is dropped
            run.reset()

        dtype = torch.promote_types(sample.dtype, torch.float32)

        def noise() -> Tensor:
            if variance_noise is not None:
                return variance_noise.to(dtype)
            drawn = draw_noise(sample.shape, generator, sample.device, model_output.dtype)
            return drawn.to(dtype)

        at = run.leg(here)
        x = sample.to(dtype)
        x = x if here.scale == 1 else x * (1 / here.scale)
        x, x0 = run.rule(at, x, model_output.to(dtype), noise, **options)
        x = x if at.next_scale == 1 else x * at.next_scale
        run.step_index = here.index + 1
        return SchedulerOutput(x.to(sample.dtype), x0.to(sample.dtype))

    # Before and beside the steps

    def scale_model_input(self, sample: Tensor, timestep: float | Tensor) -> Tensor:
        """What the model is to be given for a sample: of unit variance."""
        if self.scaling != "variance_exploding":
            return sample
        data = self.setting("sigma_data", 1.0)
        return sample / (data**2 + self.point(timestep).sigma ** 2) ** 0.5

    def noise_levels(self, timesteps: Tensor) -> Tensor:
        """The sigma of each timestep: (B,), float32."""
        sigmas = [self.point(timestep).sigma for timestep in timesteps.reshape(-1)]
        return torch.tensor(sigmas, dtype=torch.float32).to(timesteps.device)

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Samples as they are at `timesteps` (B,): `scale * (original_samples + sigma * noise)`."""
        sigma = self.noise_levels(timesteps).to(noise.device)
        scale = SCALES[self.scaling](sigma)
        return _mix(scale, original_samples, scale * sigma, noise)

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What a v-prediction model should answer at `timesteps` (B,) for x0 = `sample`."""
        sigma = self.noise_levels(timesteps).to(noise.device)
        scale = (1 + sigma**2).rsqrt()
        return _mix(scale, noise, -scale * sigma, sample)


def _mix(a: Tensor, x: Tensor, b: Tensor, y: Tensor) -> Tensor:
    shape = (-1, *[1] * (x.ndim - 1))
    return (a.view(shape) * x + b.view(shape) * y).to(x.dtype)
