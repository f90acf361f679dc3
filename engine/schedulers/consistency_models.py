"""Consistency models: every call goes all the way to x0, and noise leads back up."""

import numpy as np
from torch import Tensor

from engine.schedulers.base import Noise, Step
from engine.schedulers.edm import PreconditionedScheduler
from engine.schedulers.points import Pair, Plan, Point
from engine.schedulers.tables import Array, karras

__all__ = ["CMStochasticIterativeScheduler"]


class CMStochasticIterativeScheduler(PreconditionedScheduler):
    """Song et al. 2023, Consistency Models (arXiv 2303.01469), algorithm 1.

    Custom timesteps count levels of training from the highest, 0, as in diffusers: [22, 0] goes
    through `sigma_max` and the 22nd below it.
    """

    defaults = {
        "num_train_timesteps": 40,
        "sigma_min": 0.002,
        "sigma_max": 80.0,
        "sigma_data": 0.5,
        "s_noise": 1.0,
        "rho": 7.0,
        "clip_denoised": True,
    }

    @property
    def end_sigma(self) -> float:
        return self.config.sigma_min

    def at_places(self, places: Array) -> tuple[Array, Array]:
        """A grid through levels of training, which count from the highest."""
        config = self.config
        levels = karras(*self.ends(0.0, 0.0), len(self), config.rho)
        sigmas = levels[places.astype(int)]
        return self.timesteps_at(sigmas), np.append(sigmas, self.end_sigma)

    def grid(self, steps: int) -> tuple[Array, Array]:
        return self.at_places(np.arange(float(steps)) * (len(self) // steps))

    def custom_plan(self, timesteps: Array | None, sigmas: Array | None) -> Plan:
        if timesteps is None:
            return super().custom_plan(timesteps, sigmas)
        return self.through(*self.at_places(self.whole(timesteps)[::-1]))

    def timesteps_at(self, sigmas: Array) -> Array:
        return 250 * np.log(np.maximum(sigmas, 1e-44))

    def sigmas_at(self, timesteps: Array) -> Array:
        return np.exp(timesteps / 250)

    def skip_and_out(self, sigma: float) -> Pair:
        """Appendix C: at `sigma_min` the model is not heeded."""
        data, above = self.config.sigma_data, sigma - self.config.sigma_min
        out = above * data / (sigma**2 + data**2) ** 0.5
        return data**2 / (above**2 + data**2), out

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """x0, and noise for the next level; a run of one step is done."""
        x0 = self.original(at, x, m)
        if self.config.clip_denoised:
            x0 = x0.clamp(-1, 1)
        if len(self.points) == 1:
            return x0, x0
        least = self.config.sigma_min
        up = (max(at.next_sigma, least) ** 2 - least**2) ** 0.5
        return x0 + self.config.s_noise * up * noise(), x0
