"""Schedules of noise levels: interpolated in the training table, or of a shape of their own."""

import numpy as np

from engine.checks import within
from engine.schedulers.base import Scheduler
from engine.schedulers.points import Plan
from engine.schedulers.settings import BETA_KEYS, SPACING_KEYS
from engine.schedulers.tables import SPACINGS, Array, sigma_to_timestep

__all__ = ["InterpolatedScheduler"]


class InterpolatedScheduler(Scheduler):
    """Timesteps are float32, between the training timesteps where the noise level is."""

    scaling = "variance_exploding"
    defaults = {**BETA_KEYS, **SPACING_KEYS}

    def through(self, timesteps: Array, sigmas: Array) -> Plan:
        if self.continuous:
            timesteps = 0.25 * np.log(sigmas[:-1])
        return super().through(timesteps, sigmas)

    def grid(self, steps: int) -> tuple[Array, Array]:
        config = self.config
        space = SPACINGS[config.timestep_spacing]
        total = within("num_train_timesteps", self.said.get("num_train_timesteps", len(self)), 1)
        timesteps = space(total, steps, config.steps_offset)
        timesteps = timesteps.astype(np.float32).astype(np.float64)
        sigmas = self.sigmas_at(timesteps)
        if self.setting("interpolation_type", "linear") == "log_linear":
            sigmas = np.geomspace(self.table[-1], self.table[0], steps + 1)
            if self.shape is None:
                return timesteps, sigmas
        if self.shape is not None:
            sigmas = self.shaped(sigmas[-1], sigmas[0], steps)
            timesteps = sigma_to_timestep(sigmas, self.table)
        return timesteps, np.append(sigmas, self.end_sigma)
