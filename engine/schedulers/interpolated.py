"""Schedules of noise levels: interpolated in the training table, or of a shape of their own."""

import numpy as np

from engine.errors import EngineError
from engine.schedulers.base import Scheduler
from engine.schedulers.points import Plan
from engine.schedulers.tables import SHAPES, SPACINGS, Array, choice, sigma_to_timestep

__all__ = ["InterpolatedScheduler"]


class InterpolatedScheduler(Scheduler):
    """Timesteps are float32, between the training timesteps where the noise level is."""

    def __init__(self) -> None:
        config = self.config
        choice("interpolation_type", config.interpolation_type, ("linear", "log_linear"))
        choice("final_sigmas_type", config.final_sigmas_type, ("zero", "sigma_min"))
        choice("timestep_type", config.timestep_type, ("discrete", "continuous"))
        shapes = [key for key in SHAPES if self.setting(key, False)]
        if len(shapes) > 1:
            raise EngineError(f"{' and '.join(shapes)} are both on: switch on one at most.")
        self.shape = shapes[0] if shapes else None
        self.continuous = (
            config.timestep_type == "continuous" and config.prediction_type == "v_prediction"
        )
        super().__init__()

    def through(self, timesteps: Array, sigmas: Array) -> Plan:
        """Steps at `timesteps` from each noise level to the next; `sigmas` is longer by the end."""
        n = len(timesteps)
        if self.continuous:
            timesteps = 0.25 * np.log(sigmas[:n])
        return Plan(timesteps.astype(np.float32), sigmas[:n], sigmas[1 : n + 1], sigmas)

    def ended(self, timesteps: Array, sigmas: Array) -> Plan:
        """Steps through noise levels to the configured end."""
        final = self.table[0] if self.config.final_sigmas_type == "sigma_min" else 0.0
        return self.through(timesteps, np.append(sigmas, final))

    def levels_at(self, timesteps: Array, steps: int) -> Array:
        """Noise levels of timesteps; `log_linear` has its own, one more than there are steps."""
        if self.config.interpolation_type == "log_linear":
            return np.geomspace(self.table[-1], self.table[0], steps + 1)
        return np.interp(timesteps, np.arange(len(self.table)), self.table)

    def plan(self, steps: int) -> Plan:
        config = self.config
        space = SPACINGS[config.timestep_spacing]
        timesteps = space(config.num_train_timesteps, steps, config.steps_offset)
        timesteps = timesteps.astype(np.float32).astype(np.float64)
        sigmas = self.levels_at(timesteps, steps)
        if self.shape is not None:
            low = sigmas[-1] if config.sigma_min is None else config.sigma_min
            high = sigmas[0] if config.sigma_max is None else config.sigma_max
            sigmas = SHAPES[self.shape](low, high, steps)
            timesteps = sigma_to_timestep(sigmas, self.table)
        return self.ended(timesteps, sigmas)

    def training_plan(self) -> Plan:
        timesteps = np.arange(len(self.table))[::-1].astype(np.float64)
        return self.through(timesteps, np.append(self.table[::-1], 0.0))

    def custom_plan(self, timesteps: Array | None, sigmas: Array | None) -> Plan:
        if sigmas is not None:
            return self.through(sigma_to_timestep(sigmas[:-1], self.table), sigmas)
        assert timesteps is not None
        if self.shape is not None or self.continuous:
            why = self.shape or "timestep_type='continuous'"
            raise EngineError(f"{why} makes its own timesteps: give sigmas, or switch it off.")
        return self.ended(timesteps, self.levels_at(timesteps, len(timesteps)))

    @property
    def init_noise_sigma(self) -> float:
        highest = float(self.sigmas.max())
        leading = self.config.timestep_spacing == "leading"
        return (highest**2 + 1) ** 0.5 if leading else highest
