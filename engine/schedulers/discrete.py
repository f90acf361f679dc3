"""Schedules of whole training timesteps."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from engine.schedulers.base import Scheduler
from engine.schedulers.points import Plan
from engine.schedulers.settings import BETA_KEYS, SPACING_KEYS
from engine.schedulers.tables import SPACINGS, Array, Timesteps

__all__ = ["DiscreteScheduler"]


class DiscreteScheduler(Scheduler):
    """Timesteps are integers, and noise is added at any of the training timesteps."""

    whole_timesteps: ClassVar[bool] = True
    defaults = {**BETA_KEYS, **SPACING_KEYS, "timestep_spacing": "leading"}

    def spaced(self, steps: int) -> Timesteps:
        """The timesteps of the configured spacing: (steps,), descending."""
        config = self.config
        space = SPACINGS[config.timestep_spacing]
        spaced = space(config.num_train_timesteps, steps, config.steps_offset).round()
        # an offset can push the first one past the table
        return np.minimum(spaced, config.num_train_timesteps - 1).astype(np.int64)

    def grid(self, steps: int) -> tuple[Array, Array]:
        timesteps = self.spaced(steps)
        return timesteps.astype(np.float64), self.levels_at(np.append(timesteps, -1))

    def levels_at(self, timesteps: Timesteps) -> Array:
        """Sigmas at timesteps; below the first is the end."""
        last = len(self.table) - 1
        return np.where(timesteps >= 0, self.table[np.clip(timesteps, 0, last)], self.end_sigma)

    def between(self, starts: Timesteps, ends: Timesteps) -> Plan:
        """Steps from timesteps to timesteps, which need not be those where the next ones begin."""
        return Plan(starts, self.levels_at(starts), self.levels_at(ends))

    def custom_plan(self, timesteps: Array | None, sigmas: Array | None) -> Plan:
        return super().custom_plan(None if timesteps is None else self.whole(timesteps), sigmas)

    def noise_levels(self, timesteps: Tensor) -> Tensor:
        if timesteps.is_floating_point():  # of a resumed run: between those of training
            return super().noise_levels(timesteps)
        table = torch.tensor(self.table, dtype=torch.float32).to(timesteps.device)
        return table[timesteps.reshape(-1)]
