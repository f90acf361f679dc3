"""DPM-Solver and DPM-Solver++, multistep and singlestep, ordinary and stochastic."""

from typing import Any

from torch import Tensor

from engine.errors import EngineError
from engine.schedulers.base import Noise, Step
from engine.schedulers.multistep import History, Leg, MultistepScheduler
from engine.schedulers.points import Point
from engine.schedulers.settings import SPACING_KEYS
from engine.schedulers.shifted import SHIFT_KEYS

__all__ = ["DPM_KEYS", "DPMSolver", "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"]

DPM_KEYS: dict[str, Any] = {
    **SHIFT_KEYS,
    "solver_order": 2,
    "algorithm_type": "dpmsolver++",
    "solver_type": "midpoint",
    "final_sigmas_type": "zero",
    "lambda_min_clipped": -float("inf"),
    "variance_type": None,
}


class DPMSolver(History):
    """The rule of all of them, by the data (++) or by the noise.

    Lu et al. 2022, DPM-Solver (arXiv 2206.00927) and DPM-Solver++ (arXiv 2211.01095).
    """

    choices = {
        # deis, logrho, bh1 and bh2 come with the settings of relatives: read as the defaults
        "algorithm_type": ("dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver", "deis"),
        "solver_type": ("midpoint", "heun", "logrho", "bh1", "bh2"),
        "solver_order": (1, 2, 3),
    }

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        kind = self.config.algorithm_type
        self.data, self.sde = kind.endswith("++") or kind == "deis", kind.startswith("sde")
        self.heun = self.config.solver_type == "heun"
        if not self.data and self.config.final_sigmas_type == "zero":
            raise EngineError(
                f"{kind} has to end with noise: choose final_sigmas_type='sigma_min'."
            )
        if kind == "sde-dpmsolver" and self.config.solver_order == 3:
            raise EngineError(
                "solver_order is 3; choose 1 or 2, or algorithm_type sde-dpmsolver++."
            )

    def leg_to(self, start: Point, at: Point) -> Leg:
        """From a point to where the step in hand ends."""
        return Leg(start.sigma, at.next_sigma, data=self.data, tau=float(self.sde))

    def second(self, leg: Leg) -> list[float]:
        """The moments of order 2: the integral (heun), or half of the whole (midpoint)."""
        return leg.moments(2) if self.heun else [leg.whole, leg.whole / 2]

    def third(self, leg: Leg) -> list[float]:
        """The moments of order 3, as released: half the square's, so the error is of order 2."""
        whole, slope, square = leg.moments(3)
        return [whole, slope, square / 2]

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """DPM-Solver++, algorithm 2, and its counterpart by the noise."""
        call, x0 = self.seen(at, x, m, data=self.data)
        self.remember(call, self.config.solver_order)
        order, leg = self.usable(at, self.config.solver_order), self.leg_to(at, at)
        moments = [[leg.whole], self.second(leg), self.third(leg)][order - 1]
        drawn = noise() if self.sde else None
        return self.advance(leg, x, self.history[:order], moments, drawn), x0


class DPMSolverMultistepScheduler(DPMSolver, MultistepScheduler):
    """Of order 1 it is DDIM; "DPM++ 2M" is order 2 by the data."""

    repeats_last = False
    defaults = {
        **DPM_KEYS,
        **SPACING_KEYS,
        "lower_order_final": True,
        "euler_at_final": False,
        "use_lu_lambdas": False,
        "rescale_betas_zero_snr": False,
    }

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        if self.shape is None and self.config.use_lu_lambdas:
            self.shape = "use_exponential_sigmas"  # the same levels

    @property
    def rounded(self) -> bool:
        cosine = self.config.beta_schedule == "squaredcos_cap_v2"
        return (super().rounded or self.config.use_lu_lambdas) and not cosine


class DPMSolverSinglestepScheduler(DPMSolver, MultistepScheduler):
    """Blocks of `solver_order` levels: order 1 from the first, then order 2 and 3 over all."""

    repeats_last = False
    choices = {"algorithm_type": ("dpmsolver++", "sde-dpmsolver++", "dpmsolver", "deis")}
    defaults = {**DPM_KEYS, "lower_order_final": False}

    def order_at(self, at: Point) -> int:
        """By the place in its block; the last step is of order 1 where a run ends without noise.

        And where it would end its block, if so configured.
        """
        n, order = len(self.points), self.config.solver_order
        lower = at.next_sigma == 0 or (self.config.lower_order_final and n % order == 0)
        return 1 if at.index == n - 1 and lower else at.index % order + 1

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Algorithm 1 of both papers: from the start of the block, by all that was seen in it."""
        call, x0 = self.seen(at, x, m, data=self.data)
        self.remember(call, self.config.solver_order)
        order = min(self.order_at(at), len(self.history))
        block = self.history[:order]
        start = block[-1]
        leg = self.leg_to(start.at, at)
        moments = [[leg.whole], self.second(leg), leg.moments(3)][order - 1]
        if order == 3 and not self.heun:
            block, moments = [call, start], moments[:2]
        drawn = noise() if self.sde else None
        return self.advance(leg, start.x, block, moments, drawn), x0
