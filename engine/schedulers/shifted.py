"""Schedules whose levels on the line of flow matching are shifted towards the noise."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from engine.errors import EngineError
from engine.schedulers.base import Scheduler
from engine.schedulers.tables import Array

__all__ = ["SHIFT_KEYS", "ShiftedScheduler"]

SHIFT_KEYS: dict[str, Any] = {"use_dynamic_shifting": False, "time_shift_type": "exponential"}


class ShiftedScheduler(Scheduler):
    """Levels s of (1 - s) * x0 + s * eps; Esser et al. 2024 (arXiv 2403.03206), section 5.3.2."""

    mu: float | None = None

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        timesteps: Sequence[float] | None = None,
        sigmas: Sequence[float] | None = None,
        mu: float | None = None,
    ) -> None:
        """As in every scheduler; mu says how far `use_dynamic_shifting` shifts, by picture size."""
        if mu is not None and not self.setting("use_dynamic_shifting", False):
            raise EngineError("mu is given, which only use_dynamic_shifting=True heeds.")
        self.mu = mu
        super().set_timesteps(num_inference_steps, device, timesteps, sigmas)

    @property
    def shift(self) -> float:
        """1 leaves levels as they are; more means larger ones."""
        if self.mu is not None:
            linear = self.config.time_shift_type == "linear"
            return self.mu if linear else math.exp(self.mu)
        if self.setting("use_dynamic_shifting", False):
            raise EngineError(
                "use_dynamic_shifting is on: give set_timesteps a mu, or switch it off."
            )
        return float(self.setting("flow_shift", self.setting("shift", 1.0)))

    def shifted(self, levels: Array) -> Array:
        """Levels after the shift, and stretched so that the last is `shift_terminal`, if set."""
        levels = self.shift * levels / (1 + (self.shift - 1) * levels)
        terminal, signal = self.setting("shift_terminal", None), 1 - levels
        if terminal and signal[-1] > 1e-6:  # else there is one level, without signal
            levels = 1 - signal * ((1 - terminal) / signal[-1])
        return levels
