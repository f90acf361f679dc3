"""SA-Solver: stochastic Adams, a predictor and a corrector with noise as strong as tau says."""

from collections.abc import Sequence

from torch import Tensor

from engine.schedulers.base import Noise, Step
from engine.schedulers.multistep import Leg, MultistepScheduler, Seen
from engine.schedulers.points import Point
from engine.schedulers.settings import SPACING_KEYS

__all__ = ["SASolverScheduler"]


class SASolverScheduler(MultistepScheduler):
    """Xue et al. 2023, SA-Solver: Stochastic Adams Solver (arXiv 2309.05019).

    tau_func: timestep -> strength of the noise, 0 is none; the default is 1 from 200 to 800.
    """

    few_steps = float("inf")
    defaults = {
        **SPACING_KEYS,
        "predictor_order": 2,
        "corrector_order": 2,
        "tau_func": None,
        "algorithm_type": "data_prediction",
        "lower_order_final": True,
        "lambda_min_clipped": -float("inf"),
        "variance_type": None,
    }
    choices = {
        "algorithm_type": ("data_prediction", "noise_prediction"),
        "predictor_order": (1, 2, 3, 4),
        "corrector_order": (1, 2, 3, 4),
    }

    @property
    def data(self) -> bool:
        return bool(self.config.algorithm_type == "data_prediction")

    def reset(self) -> None:
        super().reset()
        self.drawn: Tensor | None = None
        self.corrector_order = 0

    def tau(self, at: Point) -> float:
        strength = self.config.tau_func
        return strength(at.timestep) if strength else float(200 <= at.timestep <= 800)

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Correct the last step with the noise that it had, then predict the next."""
        config = self.config
        most = max(config.predictor_order, config.corrector_order - 1)
        call, x0 = self.seen(at, x, m, data=self.data)
        if self.history:
            last = self.history[0]
            calls = [call, *self.history[: self.corrector_order - 1]]
            x = self.solve(last.at, at.sigma, last.x, calls, self.drawn)
        self.remember(call._replace(x=x), most)
        self.drawn = noise()
        order = self.usable(at, config.predictor_order)
        left = len(self.points) - at.index + 1 if config.lower_order_final else most + 1
        self.corrector_order = min(config.corrector_order, len(self.history) + 1, left)
        return self.solve(at, at.next_sigma, x, self.history[:order], self.drawn), x0

    def solve(
        self, start: Point, end: float, x: Tensor, calls: Sequence[Seen], drawn: Tensor | None
    ) -> Tensor:
        """Adams in lambda; by the data, two calls' difference is integrated without the weight."""
        leg = Leg(start.sigma, end, data=self.data, tau=self.tau(start))
        moments = leg.moments(len(calls))
        if self.data and len(calls) == 2:
            moments[1] = leg.rate / 2
        return self.advance(leg, x, calls, moments, drawn)
