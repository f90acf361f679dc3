"""iPNDM: PNDM's linear multistep without a warm-up, in continuous time."""

import math

import numpy as np
from torch import Tensor

from engine.schedulers.base import Noise, Step
from engine.schedulers.edm import ContinuousScheduler
from engine.schedulers.pndm import ADAMS_BASHFORTH, blend
from engine.schedulers.points import Point
from engine.schedulers.tables import Array

__all__ = ["IPNDMScheduler"]

HIGHEST = 1e8
"""Stands for the level where no signal is left."""


class IPNDMScheduler(ContinuousScheduler):
    """For models that predict v at t in 0..1, where sigma = tan(pi / 2 * t).

    Liu et al. 2022 (arXiv 2202.09778), equation 12; without the warm-up: Zhang and Chen 2022 (arXiv
    2204.13902). trained_betas: deviations of the noise in samples of unit variance, of the levels
    of every run, however many its steps, and of its end.
    """

    prediction = "v_prediction"
    defaults = {"num_train_timesteps": 1000, "trained_betas": None}

    def reset(self) -> None:
        self.ets: list[Tensor] = []

    def grid(self, steps: int) -> tuple[Array, Array]:
        betas = self.config.trained_betas
        if betas is None:
            betas = np.sin(np.linspace(1, 0, steps + 1) * math.pi / 2) ** 2
        betas = np.asarray(betas, dtype=np.float64)
        sigmas = betas / np.maximum(np.sqrt(1 - betas**2), 1 / HIGHEST)
        return self.timesteps_at(sigmas[:-1]), sigmas

    def timesteps_at(self, sigmas: Array) -> Array:
        return np.arctan(sigmas) * 2 / math.pi

    def sigmas_at(self, timesteps: Array) -> Array:
        return np.minimum(np.tan(timesteps * math.pi / 2), HIGHEST)

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Euler's step in x, with a blend of the last e_t.

        Where no signal is left x0 is taken for 0 in the step, as in diffusers.
        """
        x0, eps = self.estimate(at, x, m)
        self.ets = [eps, *self.ets[:3]]
        if at.sigma >= HIGHEST:
            return at.next_sigma * eps, x0
        e = blend(ADAMS_BASHFORTH[len(self.ets) - 1], self.ets)
        return x + (at.next_sigma - at.sigma) * e, x0
