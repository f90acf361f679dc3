"""Schedules that step over whole training timesteps: from t to t - T // n."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.schedulers.base import Scheduler
from engine.schedulers.points import Plan
from engine.schedulers.tables import SPACINGS, Array

__all__ = ["DiscreteScheduler"]


class DiscreteScheduler(Scheduler):
    """Timesteps are integers, and noise is added at any of the training timesteps."""

    def spaced(self, steps: int) -> npt.NDArray[np.int64]:
        """The timesteps of the configured spacing: (steps,), descending."""
        config = self.config
        space = SPACINGS[config.timestep_spacing]
        spaced = space(config.num_train_timesteps, steps, config.steps_offset).round()
        # an offset can push the first one past the table
        return np.minimum(spaced, config.num_train_timesteps - 1).astype(np.int64)

    def levels_at(self, timesteps: npt.NDArray[np.int64]) -> Array:
        """Sigmas at timesteps; below the first is the end, as `set_alpha_to_one` says."""
        final = 0.0 if self.setting("set_alpha_to_one", True) else self.table[0]
        return np.where(
            timesteps >= 0, self.table[np.clip(timesteps, 0, len(self.table) - 1)], final
        )

    def between(self, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> Plan:
        """Steps from timesteps to timesteps."""
        return Plan(starts, self.levels_at(starts), self.levels_at(ends))

    def plan(self, steps: int) -> Plan:
        timesteps = self.spaced(steps)
        return self.between(timesteps, timesteps - len(self) // steps)

    def training_plan(self) -> Plan:
        timesteps = np.arange(len(self))[::-1].copy()
        return self.between(timesteps, timesteps - 1)

    def noise_levels(self, timesteps: Tensor) -> Tensor:
        table = torch.tensor(self.table, dtype=torch.float32).to(timesteps.device)
        return table[timesteps.reshape(-1)]
