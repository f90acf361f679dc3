"""Euler's method, with optional churn."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from engine.config import configured
from engine.schedulers.base import Noise
from engine.schedulers.interpolated import InterpolatedScheduler
from engine.schedulers.points import Point

__all__ = ["EulerDiscreteScheduler"]


class EulerDiscreteScheduler(InterpolatedScheduler):
    """Karras et al. 2022, Elucidating the Design Space of Diffusion Models (arXiv 2206.00364)."""

    variance_preserving: ClassVar[bool] = False
    alpha_floor: ClassVar[float] = 2**-24

    @configured
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: str = "linear",
        trained_betas: Sequence[float] | None = None,
        prediction_type: str = "epsilon",
        interpolation_type: str = "linear",
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        sigma_min: float | None = None,
        sigma_max: float | None = None,
        timestep_spacing: str = "linspace",
        timestep_type: str = "discrete",
        steps_offset: int = 0,
        rescale_betas_zero_snr: bool = False,
        final_sigmas_type: str = "zero",
    ) -> None:
        super().__init__()

    def rule(
        self,
        at: Point,
        x: Tensor,
        m: Tensor,
        noise: Noise,
        *,
        s_churn: float = 0.0,
        s_tmin: float = 0.0,
        s_tmax: float = float("inf"),
        s_noise: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Algorithm 2 without its second-order correction.

        s_churn: how much noise is added anew, over the schedule, while sigma is in s_tmin..s_tmax;
        s_noise: its standard deviation.
        """
        sigma_hat = at.sigma
        churned = s_churn > 0 and s_tmin <= at.sigma <= s_tmax
        if churned:
            gamma = min(s_churn / (len(self.sigmas) - 1), 2**0.5 - 1)
            sigma_hat = at.sigma * (1 + gamma)
            x = x + s_noise * (sigma_hat**2 - at.sigma**2) ** 0.5 * noise()
        x0, eps = self.estimate(at, x, m)
        if churned:
            # the model saw x before the churn: what it said is taken to hold at sigma_hat
            if self.config.prediction_type == "epsilon":
                x0 = x - sigma_hat * eps
            eps = (x - x0) / sigma_hat
        # x + (next_sigma - sigma_hat) * eps, without the cancellation of two large terms
        return torch.add(x0, eps, alpha=at.next_sigma), x0
