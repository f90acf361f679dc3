"""Schedules whose levels on the line of flow matching are shifted towards the noise."""

import math
from typing import Any

from engine.errors import EngineError
from engine.schedulers.base import Scheduler
from engine.schedulers.tables import Array

__all__ = ["SHIFT_KEYS", "ShiftedScheduler"]

SHIFT_KEYS: dict[str, Any] = {"use_dynamic_shifting": False, "time_shift_type": "exponential"}


class ShiftedScheduler(Scheduler):
    """Levels s of (1 - s) * x0 + s * eps; Esser et al. 2024 (arXiv 2403.03206), section 5.3.2."""

    takes = ("mu", "timesteps", "sigmas")

    @property
    def shift(self) -> float:
        """1 leaves levels as they are; more means larger ones.

        With `use_dynamic_shifting` the mu of `set_timesteps` says it, by picture size.
        """
        mu, dynamic = self.said.get("mu"), self.setting("use_dynamic_shifting", False)
        if dynamic and mu is not None:
            return float(mu if self.config.time_shift_type == "linear" else math.exp(mu))
        if dynamic:
            raise EngineError("use_dynamic_shifting is on: give set_timesteps a mu, or set it off.")
        return float(self.setting("flow_shift", self.setting("shift", 1.0)))

    def shifted(self, levels: Array) -> Array:
        """Levels after the shift, and stretched so that the last is `shift_terminal`, if set."""
        levels = self.shift * levels / (1 + (self.shift - 1) * levels)
        terminal, signal = self.setting("shift_terminal", None), 1 - levels
        if terminal and signal[-1] > 1e-6:  # else there is one level, without signal
            levels = 1 - signal * ((1 - terminal) / signal[-1])
        return levels
