"""Schedules of noise levels: interpolated in the training table, or of a shape of their own."""

import numpy as np

from engine.errors import EngineError
from engine.schedulers.base import Scheduler
from engine.schedulers.points import Plan
from engine.schedulers.settings import BETA_KEYS, SPACING_KEYS
from engine.schedulers.tables import SHAPES, SPACINGS, Array, sigma_to_timestep

__all__ = ["InterpolatedScheduler"]


class InterpolatedScheduler(Scheduler):
    """Timesteps are float32, between the training timesteps where the noise level is."""

    scaling = "variance_exploding"
    defaults = {**BETA_KEYS, **SPACING_KEYS}

    @property
    def continuous(self) -> bool:
        """Whether the model is told a quarter of the logarithm of sigma in place of a timestep."""
        continuous = self.setting("timestep_type", "discrete") == "continuous"
        return continuous and self.prediction_type == "v_prediction"

    def through(self, timesteps: Array, sigmas: Array) -> Plan:
        if self.continuous:
            timesteps = 0.25 * np.log(sigmas[:-1])
        return super().through(timesteps, sigmas)

    def grid(self, steps: int) -> tuple[Array, Array]:
        config = self.config
        space = SPACINGS[config.timestep_spacing]
        timesteps = space(config.num_train_timesteps, steps, config.steps_offset)
        timesteps = timesteps.astype(np.float32).astype(np.float64)
        sigmas = self.sigmas_at(timesteps)
        if self.setting("interpolation_type", "linear") == "log_linear":
            return timesteps, np.geomspace(self.table[-1], self.table[0], steps + 1)
        if self.shape is not None:
            low, high = self.setting("sigma_min", None), self.setting("sigma_max", None)
            low = sigmas[-1] if low is None else low
            high = sigmas[0] if high is None else high
            sigmas = SHAPES[self.shape](low, high, steps)
            timesteps = sigma_to_timestep(sigmas, self.table)
        return timesteps, np.append(sigmas, self.end_sigma)

    def custom_plan(self, timesteps: Array | None, sigmas: Array | None) -> Plan:
        if timesteps is not None and (self.shape is not None or self.continuous):
            why = self.shape or "timestep_type='continuous'"
            raise EngineError(f"{why} makes its own timesteps: give sigmas, or switch it off.")
        return super().custom_plan(timesteps, sigmas)

    @property
    def init_noise_sigma(self) -> float:
        highest = float(self.sigmas.max())
        leading = self.config.timestep_spacing == "leading"
        return (highest**2 + 1) ** 0.5 if leading else highest
