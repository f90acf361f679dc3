"""DDPM: denoising diffusion probabilistic models, ancestral sampling."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.config import configured
from engine.errors import EngineError
from engine.schedulers.base import Noise
from engine.schedulers.discrete import DiscreteScheduler
from engine.schedulers.points import Plan, Point
from engine.schedulers.tables import Array, choice

__all__ = ["DDPMScheduler"]

VARIANCES: dict[str, Callable[[float, float, Any], Any]] = {
    "fixed_small": lambda small, large, v: small,
    "fixed_small_log": lambda small, large, v: small,
    "fixed_large": lambda small, large, v: large,
    "fixed_large_log": lambda small, large, v: large,
    "learned": lambda small, large, v: v,
    "learned_range": lambda small, large, v: small * (large / small) ** ((v + 1) / 2),
}
"""Variance type -> f(lower bound, upper bound, what the model says of it): the variance.

The bounds are section 3.2 of Ho et al. 2020, the range between them Nichol and Dhariwal 2021
(arXiv 2102.09672), eq. 15. That a fixed one is kept as its logarithm changes nothing here.
"""


class DDPMScheduler(DiscreteScheduler):
    """Ho, Jain and Abbeel 2020, Denoising Diffusion Probabilistic Models (arXiv 2006.11239).

    With a learned variance the model's output has twice the sample's channels.
    """

    @configured
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: str = "linear",
        trained_betas: Sequence[float] | None = None,
        variance_type: str = "fixed_small",
        clip_sample: bool = True,
        prediction_type: str = "epsilon",
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        clip_sample_range: float = 1.0,
        sample_max_value: float = 1.0,
        timestep_spacing: str = "leading",
        steps_offset: int = 0,
        rescale_betas_zero_snr: bool = False,
    ) -> None:
        choice("variance_type", variance_type, VARIANCES)
        super().__init__()

    def plan(self, steps: int) -> Plan:
        return self.through(self.spaced(steps))

    def custom_plan(self, timesteps: Array | None, sigmas: Array | None) -> Plan:
        if timesteps is None:
            raise EngineError("DDPMScheduler takes no custom sigmas: give timesteps.")
        if (timesteps % 1).any() or timesteps[0] >= len(self):
            raise EngineError(
                f"timesteps are {timesteps.tolist()}; give whole numbers below {len(self)}."
            )
        return self.through(timesteps.astype(np.int64))

    def through(self, timesteps: npt.NDArray[np.int64]) -> Plan:
        """Steps from each timestep to the next one, whatever the stride, and then to the end."""
        return self.between(timesteps, np.append(timesteps[1:], -1))

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Equations 6 and 7, divided by sqrt(alpha_bar_{t-1}); timestep 0 adds no noise."""
        m, v = self._split(m, x.shape[1])
        x0 = self.original(at, x, m)
        x = torch.lerp(x0, x, (at.next_sigma / at.sigma) ** 2)
        if at.timestep > 0:
            x = x + self._variance(at, v) ** 0.5 / at.next_scale * noise()
        return x, x0

    def _split(self, m: Tensor, channels: int) -> tuple[Tensor, Tensor | None]:
        """The prediction, and what the model says of the variance where that is learned."""
        kind = self.config.variance_type
        learned = kind.startswith("learned")
        if m.shape[1] != channels * (1 + learned):
            raise EngineError(
                f"variance_type is {kind!r}, which needs a model with {channels * (1 + learned)} "
                f"output channels; this one has {m.shape[1]}."
            )
        return (m[:, :channels], m[:, channels:]) if learned else (m, None)

    def _variance(self, at: Point, v: Tensor | None) -> Any:
        """Of the noise that a step adds, in samples of unit variance: a number or a tensor."""
        large = (at.sigma**2 - at.next_sigma**2) * at.scale**2
        small = large * (at.next_sigma * at.next_scale / (at.sigma * at.scale)) ** 2
        return VARIANCES[self.config.variance_type](max(small, 1e-20), large, v)
