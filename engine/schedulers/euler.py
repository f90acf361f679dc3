"""Euler's method, with optional churn, and on an ancestral chain."""

from typing import ClassVar

import torch
from torch import Tensor

from engine.schedulers.base import Noise, Scheduler, Step, options_of
from engine.schedulers.interpolated import InterpolatedScheduler
from engine.schedulers.points import Pair, Point, combine
from engine.schedulers.settings import SHAPE_KEYS

__all__ = ["EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler", "ancestral", "churned"]


def churned(
    level: float,
    steps: int,
    *,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = float("inf"),
    s_noise: float = 1.0,
) -> Pair:
    """The level that churn raises a level to, and the deviation of the noise that does it.

    Karras et al. 2022 (arXiv 2206.00364), algorithm 2. s_churn: how much noise is added anew, over
    all steps, while the level is in s_tmin..s_tmax; s_noise: its standard deviation.
    """
    if not (s_churn > 0 and s_tmin <= level <= s_tmax):
        return level, 0.0
    raised = level * (1 + min(s_churn / steps, 2**0.5 - 1))
    return raised, s_noise * (raised**2 - level**2) ** 0.5


class EulerMethod(Scheduler):
    """Karras et al. 2022, Elucidating the Design Space of Diffusion Models (arXiv 2206.00364)."""

    more_options = options_of(churned)

    def raised(self, at: Point, sigma_hat: float) -> Pair:
        """x0 as in `Point.x0`, of an x that was raised from `at.sigma` to sigma_hat."""
        return (1.0, -sigma_hat) if self.prediction_type == "epsilon" else at.x0

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise, **churn: float) -> Step:
        """Algorithm 2 without its second-order correction; churn: as in `churned`."""
        sigma_hat, up = churned(at.sigma, len(self.sigmas) - 1, **churn)
        if sigma_hat == at.sigma:
            x0, eps = self.estimate(at, x, m)
        else:
            x = x + up * noise()
            # the model saw x before the churn
            x0 = combine(self.raised(at, sigma_hat), x, m)
            eps = (x - x0) / sigma_hat
        # x + (next_sigma - sigma_hat) * eps, without the cancellation of two large terms
        return torch.add(x0, eps, alpha=at.next_sigma), x0


class EulerDiscreteScheduler(EulerMethod, InterpolatedScheduler):
    """`EulerMethod` on levels of the training table, or of a shape of their own."""

    alpha_floor: ClassVar[float] = 2**-24
    defaults = {
        **SHAPE_KEYS,
        "sigma_min": None,
        "sigma_max": None,
        "interpolation_type": "linear",
        "timestep_type": "discrete",
        "final_sigmas_type": "zero",
        "rescale_betas_zero_snr": False,
    }


def ancestral(sigma: float, next_sigma: float) -> Pair:
    """The level to go down to, and the deviation of the noise that leads back up to `next_sigma`.

    Such that the step is one of the chain that noise was added in (Song et al. 2021, Score-Based
    Generative Modeling through SDEs, arXiv 2011.13456, appendix F): down^2 + up^2 = next_sigma^2.
    """
    down = next_sigma**2 / sigma
    return down, (next_sigma**2 - down**2) ** 0.5


class EulerAncestralDiscreteScheduler(InterpolatedScheduler):
    """`ancestral` by the method of Karras et al. 2022 (arXiv 2206.00364)."""

    alpha_floor: ClassVar[float] = 2**-24
    defaults = {"rescale_betas_zero_snr": False}

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Euler's step to the level below the next one, and noise back up to that."""
        down, up = ancestral(at.sigma, at.next_sigma)
        x0, eps = self.estimate(at, x, m)
        return torch.add(x0, eps, alpha=down) + up * noise(), x0
