"""Steps that call the model twice: Heun's method, and DPM-Solver-2, plain and ancestral."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from engine.schedulers.base import Noise, Step
from engine.schedulers.euler import ancestral
from engine.schedulers.interpolated import InterpolatedScheduler
from engine.schedulers.points import Pair, Plan, Point
from engine.schedulers.settings import CLIP_KEYS, SHAPE_KEYS
from engine.schedulers.tables import Array

__all__ = ["HeunDiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler"]


def two_calls(timesteps: Array, sigmas: Array, times: Array, middles: Array) -> Plan:
    """Steps from one level of `sigmas` (n + 1,) to the next, through one of `middles` (n,).

    timesteps, times: (n,), where the first and the second call of each are made. There is no call
    where no noise is left: a step to there is one call.
    """
    n = len(timesteps)
    stages = np.arange(2 * n) % 2
    calls = 2 * n - int(middles[-1] == 0)
    pairs = ((timesteps, times), (sigmas[:-1], middles), (middles, sigmas[1:]))
    at, starts, ends = (np.stack(pair, axis=1).ravel()[:calls] for pair in pairs)
    return Plan(at, starts, ends, stages=stages[:calls])


class TwoCallScheduler(InterpolatedScheduler):
    """A step looks ahead with its first call, and goes all the way from its start with both."""

    order: ClassVar[int] = 2
    takes = ("num_train_timesteps", "timesteps", "sigmas")
    defaults = {"beta_start": 0.00085, "beta_end": 0.012, **SHAPE_KEYS}

    def reset(self) -> None:
        self.start: tuple[Point, Tensor] | None = None

    def middles(self, starts: Array, ends: Array) -> Array:
        """The level that the second call of each step is made at: half-way in log sigma."""
        return np.sqrt(starts * ends)

    def through(self, timesteps: Array, sigmas: Array) -> Plan:
        middles = self.middles(sigmas[:-1], sigmas[1:])
        return two_calls(timesteps, sigmas, self.timesteps_at(middles), middles)

    def begun(self, at: Point, x: Tensor) -> tuple[Point, Tensor]:
        """Where the step in hand began, and its x; a run that starts inside a step begins there."""
        if at.stage == 0 or self.start is None:
            self.start = at, x
        return self.start


class HeunDiscreteScheduler(TwoCallScheduler):
    """Karras et al. 2022 (arXiv 2206.00364), algorithm 1."""

    defaults = {**CLIP_KEYS, "clip_sample": False}

    def through(self, timesteps: Array, sigmas: Array) -> Plan:
        # a second call is made where the next step begins
        end = self.timesteps_at(sigmas[-1:])
        return two_calls(timesteps, sigmas, np.append(timesteps[1:], end), sigmas[1:])

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Euler's step, then the step anew with the mean of the slopes at both its ends."""
        x0, eps = self.estimate(at, x, m)
        if self.config.clip_sample:
            eps = (x - x0) / at.sigma
        start, x = self.begun(at, x)
        if start is at:
            self.slope = eps  # at the start of the step in hand
            return torch.add(x0, eps, alpha=at.next_sigma), x0
        return torch.add(x, self.slope + eps, alpha=(at.next_sigma - start.sigma) / 2), x0


class KDPM2DiscreteScheduler(TwoCallScheduler):
    """Lu et al. 2022, DPM-Solver (arXiv 2206.00927), algorithm 1, with Euler's steps in sigma.

    So does Karras et al. 2022 (arXiv 2206.00364), with `alpha` 1/2.
    """

    def grid(self, steps: int) -> tuple[Array, Array]:
        timesteps, sigmas = super().grid(steps)
        # the timesteps that the model is told for the levels of this shape are whole
        return timesteps.round() if self.shape == "use_karras_sigmas" else timesteps, sigmas

    def landing(self, sigma: float, next_sigma: float) -> Pair:
        """The level that a step goes down to, and the deviation of the noise that it adds then."""
        return next_sigma, 0.0

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Euler's step to the middle; then one from the start to the end, with its slope."""
        x0, eps = self.estimate(at, x, m)
        start, x = self.begun(at, x)
        if at.stage == 0:
            return torch.add(x0, eps, alpha=at.next_sigma), x0
        down, up = self.landing(start.sigma, at.next_sigma)
        x = torch.add(x, eps, alpha=down - start.sigma)
        return (x + up * noise() if up else x), x0


class KDPM2AncestralDiscreteScheduler(KDPM2DiscreteScheduler):
    """As its base, down to the level of `ancestral`, with noise after."""

    def middles(self, starts: Array, ends: Array) -> Array:
        # half-way, in log sigma, down to end^2 / start
        return ends

    def landing(self, sigma: float, next_sigma: float) -> Pair:
        return ancestral(sigma, next_sigma)
