"""DDPM: denoising diffusion probabilistic models, ancestral sampling."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from engine.errors import EngineError
from engine.schedulers.base import Noise, Step
from engine.schedulers.discrete import DiscreteScheduler
from engine.schedulers.points import Point
from engine.schedulers.settings import CLIP_KEYS, THRESHOLD_KEYS

__all__ = ["DDPMScheduler"]

VARIANCES: dict[str | None, Callable[[float, float, Any], Any]] = {
    **dict.fromkeys((None, "fixed_small", "fixed_small_log"), lambda small, large, v: small),
    **dict.fromkeys(("fixed_large", "fixed_large_log"), lambda small, large, v: large),
    "learned": lambda small, large, v: v,
    "learned_range": lambda small, large, v: small * (large / small) ** ((v + 1) / 2),
}
"""Variance type -> f(lower bound, upper bound, what the model says of it): the variance.

The bounds are section 3.2 of Ho et al. 2020, the range between them Nichol and Dhariwal 2021
(arXiv 2102.09672), eq. 15. That a fixed one is kept as its logarithm changes nothing here.
None is what the settings of relatives say.
"""


class DDPMScheduler(DiscreteScheduler):
    """Ho, Jain and Abbeel 2020, Denoising Diffusion Probabilistic Models (arXiv 2006.11239).

    With a learned variance the model's output has twice the sample's channels.
    """

    defaults = {
        **CLIP_KEYS,
        **THRESHOLD_KEYS,
        "variance_type": "fixed_small",
        "rescale_betas_zero_snr": False,
    }
    choices = {"variance_type": VARIANCES}

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Equations 6 and 7, divided by sqrt(alpha_bar_{t-1}); timestep 0 adds no noise."""
        m, v = self._split(m, x.shape[1])
        x0 = self.original(at, x, m)
        x = torch.lerp(x0, x, (at.next_sigma / at.sigma) ** 2)
        if at.timestep > 0 and not (self.resumed and at.next_sigma == 0):
            x = x + self._variance(at, v) ** 0.5 / at.next_scale * noise()
        return x, x0

    def _split(self, m: Tensor, channels: int) -> tuple[Tensor, Tensor | None]:
        """The prediction, and what the model says of the variance where that is learned."""
        kind = self.config.variance_type
        learned = str(kind).startswith("learned")
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
