"""DDIM: denoising diffusion implicit models, down to a picture and up to its noise."""

import numpy as np
import torch
from torch import Tensor

from engine.checks import within
from engine.errors import EngineError
from engine.schedulers.base import Noise, Step
from engine.schedulers.discrete import DiscreteScheduler
from engine.schedulers.points import Plan, Point
from engine.schedulers.settings import CLIP_KEYS, THRESHOLD_KEYS
from engine.schedulers.tables import Array, Timesteps

__all__ = ["DDIMInverseScheduler", "DDIMScheduler"]


class DDIMScheduler(DiscreteScheduler):
    """Song, Meng and Ermon 2021, Denoising Diffusion Implicit Models (arXiv 2010.02502)."""

    defaults = {
        **CLIP_KEYS,
        **THRESHOLD_KEYS,
        "set_alpha_to_one": True,
        "rescale_betas_zero_snr": False,
    }

    def plan(self, steps: int) -> Plan:
        t = self.spaced(steps)
        return self.between(t, t - len(self) // steps)

    def rule(
        self,
        at: Point,
        x: Tensor,
        m: Tensor,
        noise: Noise,
        *,
        eta: float = 0.0,
        use_clipped_model_output: bool = False,
    ) -> Step:
        """Equations 12 and 16, divided by sqrt(alpha_{t-1}).

        eta: 0 is deterministic, 1 is DDPM. use_clipped_model_output: eps is made to fit the
        clipped x0.
        """
        within("eta", eta, 0.0, 1.0)
        x0, eps = self.estimate(at, x, m)
        if use_clipped_model_output:
            eps = (x - x0) / at.sigma
        s = eta * at.next_sigma * max(0.0, 1 - (at.next_sigma / at.sigma) ** 2) ** 0.5
        x = x0 + (at.next_sigma**2 - s**2) ** 0.5 * eps
        return (x + s * noise() if eta > 0 else x), x0


class DDIMInverseScheduler(DiscreteScheduler):
    """Steps ascend; the model is told where one ends, as DDIM tells it on the way down.

    Mokady et al. 2022, Null-text Inversion (arXiv 2211.09794), on DDIM inversion.
    """

    defaults = {**CLIP_KEYS, "set_alpha_to_one": True, "rescale_betas_zero_snr": False}

    def predictions(self) -> tuple[str, ...]:
        """Without noise, which is where it starts, x0 tells nothing of eps."""
        known = super().predictions()
        noisy = not self.config.set_alpha_to_one
        return tuple(kind for kind in known if kind != "sample" or noisy)

    def plan(self, steps: int) -> Plan:
        ends = self.spaced(steps)[::-1]
        return self.upwards(ends, ends - len(self) // steps)

    def training_plan(self) -> Plan:
        ends = np.arange(len(self))
        return self.upwards(ends, ends - 1)

    def upwards(self, ends: Timesteps, starts: Timesteps) -> Plan:
        return Plan(ends, self.levels_at(starts), self.levels_at(ends))

    def through(self, timesteps: Array, sigmas: Array) -> Plan:
        raise EngineError("DDIM inverse goes upwards, from its start: give num_inference_steps.")

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Equation 12 of DDIM (arXiv 2010.02502) without noise, from the lower level."""
        x0, eps = self.estimate(at, x, m)
        return torch.add(x0, eps, alpha=at.next_sigma), x0
