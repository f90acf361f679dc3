"""Networks that are preconditioned by EDM, and schedules of noise levels of their own."""

from dataclasses import replace

import numpy as np

from engine.schedulers.base import Scheduler
from engine.schedulers.dpmsolver import DPMSolver
from engine.schedulers.euler import EulerMethod
from engine.schedulers.points import Pair, Plan, Point
from engine.schedulers.schedule import Schedule
from engine.schedulers.settings import THRESHOLD_KEYS
from engine.schedulers.tables import SHAPES, Array, karras

__all__ = ["EDMDPMSolverMultistepScheduler", "EDMEulerScheduler"]


class ContinuousScheduler(Scheduler):
    """Levels do not come of betas: `grid`, `sigmas_at` and `timesteps_at` say all of them."""

    def training_table(self) -> Array:
        return self.grid(len(self))[1][-2::-1]

    def training_plan(self) -> Plan:
        return Schedule.through(self, *self.grid(len(self)))


class PreconditionedScheduler(ContinuousScheduler):
    """The model is given samples of unit variance, and answers of unit variance too.

    Karras et al. 2022 (arXiv 2206.00364), section 5 and table 1, for data of deviation
    `sigma_data`.
    """

    scaling = "variance_exploding"

    def skip_and_out(self, sigma: float) -> Pair:
        """c_skip and c_out at a noise level: x0 = c_skip * x + c_out * model_output."""
        raise NotImplementedError

    def points_of(self, plan: Plan) -> tuple[Point, ...]:
        points = []
        for point in super().points_of(plan):
            skip, out = self.skip_and_out(point.sigma)
            eps = (1 - skip) / point.sigma, -out / point.sigma
            points.append(replace(point, x0=(skip, out), eps=eps))
        return tuple(points)


class EDMScheduler(PreconditionedScheduler):
    """Levels from `sigma_max` to `sigma_min`; the model is told a quarter of their logarithm."""

    takes = ("sigmas", "timesteps")
    spacing = "leading"
    defaults = {
        **{"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5, "sigma_schedule": "karras"},
        **{"num_train_timesteps": 1000, "prediction_type": "epsilon", "rho": 7.0},
        "final_sigmas_type": "zero",
    }
    choices = {"sigma_schedule": ("karras", "exponential")}

    def predictions(self) -> tuple[str, ...]:
        return ("epsilon", "v_prediction")

    @property
    def end_sigma(self) -> float:
        return self.config.sigma_min if self.config.final_sigmas_type == "sigma_min" else 0.0

    def grid(self, steps: int) -> tuple[Array, Array]:
        low, high = self.ends(0.0, 0.0)
        if self.config.sigma_schedule == "karras":
            sigmas = karras(low, high, steps, self.config.rho)
        else:
            sigmas = SHAPES["use_exponential_sigmas"](low, high, steps)
        return self.timesteps_at(sigmas), np.append(sigmas, self.end_sigma)

    def timesteps_at(self, sigmas: Array) -> Array:
        return 0.25 * np.log(sigmas)

    def sigmas_at(self, timesteps: Array) -> Array:
        return np.exp(4 * timesteps)

    def skip_and_out(self, sigma: float) -> Pair:
        data = self.config.sigma_data
        whole = sigma**2 + data**2
        out = sigma * data / whole**0.5
        return data**2 / whole, -out if self.prediction_type == "v_prediction" else out


class EDMEulerScheduler(EulerMethod, EDMScheduler):
    """The method on EDM's own levels."""

    def raised(self, at: Point, sigma_hat: float) -> Pair:
        return self.skip_and_out(sigma_hat)


class EDMDPMSolverMultistepScheduler(DPMSolver, EDMScheduler):
    """The solver on EDM's own levels, by the data only."""

    choices = {"algorithm_type": ("dpmsolver++", "sde-dpmsolver++", "deis")}
    defaults = {
        **THRESHOLD_KEYS,
        **{"solver_order": 2, "algorithm_type": "dpmsolver++", "solver_type": "midpoint"},
        **{"lower_order_final": True, "euler_at_final": False},
    }
