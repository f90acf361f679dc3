"""LCM and TCD: few steps, by models that were distilled on the timesteps of another solver."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from engine.checks import within
from engine.schedulers.base import Noise, Step
from engine.schedulers.discrete import DiscreteScheduler
from engine.schedulers.points import Plan, Point, combine
from engine.schedulers.settings import CLIP_KEYS, THRESHOLD_KEYS
from engine.schedulers.tables import Array, Timesteps

__all__ = ["DistilledScheduler", "LCMScheduler", "TCDScheduler"]


class DistilledScheduler(DiscreteScheduler):
    """Runs over some of the `original_inference_steps` that the model was distilled on.

    set_alpha_to_one, timestep_spacing and steps_offset are what published files have, and unused.
    """

    takes = ("original_inference_steps", "timesteps", "strength", "sigmas")
    defaults = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        **CLIP_KEYS,
        "clip_sample": False,
        **THRESHOLD_KEYS,
        "set_alpha_to_one": True,
        "original_inference_steps": 50,
        "timestep_scaling": 10.0,
        "rescale_betas_zero_snr": False,
    }

    any_timestep: ClassVar[bool] = False
    """Whether it runs over all timesteps where `original_inference_steps` is given for the run."""

    @property
    def strength(self) -> float:
        """The share of the schedule that a run goes over, from its end."""
        return float(within("strength", self.said.get("strength", 1.0), 0.0, 1.0))

    def spaced(self, steps: int) -> Timesteps:
        original = self.said.get("original_inference_steps", self.config.original_inference_steps)
        within("original_inference_steps", original, 1, len(self))
        if self.any_timestep and "original_inference_steps" in self.said:
            original = len(self)
        most = int(original * self.strength)
        within(f"num_inference_steps (of {original} original_inference_steps)", steps, 1, most)
        timesteps = np.arange(most, 0, -1) * (len(self) // original) - 1
        return timesteps[np.linspace(0, most, steps, endpoint=False).astype(int)]

    def custom_plan(self, timesteps: Array | None, sigmas: Array | None) -> Plan:
        if timesteps is not None:  # of which the first are left out
            timesteps = timesteps[-max(1, int(len(timesteps) * self.strength)) :]
        return super().custom_plan(timesteps, sigmas)


SIGMA_DATA = 0.5


class LCMScheduler(DistilledScheduler):
    """Luo et al. 2023, Latent Consistency Models (arXiv 2310.04378)."""

    @property
    def end_sigma(self) -> float:
        return 0.0

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Algorithm 3: jump to the end, and from there back to the next level with new noise."""
        t = at.timestep * self.config.timestep_scaling
        whole = t**2 + SIGMA_DATA**2
        # of the sample itself, not of x
        c_skip, c_out = SIGMA_DATA**2 / whole, t / whole**0.5
        x0 = torch.add(c_out * self.original(at, x, m), x, alpha=c_skip * at.scale)
        return (x0 + at.next_sigma * noise() if at.next_sigma > 0 else x0), x0


class TCDScheduler(DistilledScheduler):
    """Zheng et al. 2024, Trajectory Consistency Distillation (arXiv 2402.19159)."""

    any_timestep = True

    @property
    def end_sigma(self) -> float:
        return float(self.table[0])

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise, *, eta: float = 0.3) -> Step:
        """Go down to the timestep (1 - eta) * next one, and up again with new noise.

        eta: 0 is deterministic, 1 goes down to timestep 0 every time.
        """
        within("eta", eta, 0.0, 1.0)
        x0, eps = combine(at.x0, x, m), combine(at.eps, x, m)  # never clipped, whatever is set
        last = at.index + 1 == len(self.points)
        then = 0 if last else self.points[at.index + 1].timestep
        # in float32, as where such models are sampled elsewhere: it decides about the floor
        s = np.floor(np.float32(1 - eta) * np.float32(then))
        sigma_s = float(self.sigmas_at(s)) if eta > 0 else at.next_sigma
        x = torch.add(x0, eps, alpha=sigma_s)
        if eta > 0 and not last:
            x = x + max(0.0, at.next_sigma**2 - sigma_s**2) ** 0.5 * noise()
        return x, x0
