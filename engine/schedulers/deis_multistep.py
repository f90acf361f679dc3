"""DEIS: exponential integrators with polynomials in the logarithm of the noise level."""

from torch import Tensor

from engine.schedulers.base import Noise, Step
from engine.schedulers.multistep import Leg, MultistepScheduler
from engine.schedulers.points import Point
from engine.schedulers.settings import SPACING_KEYS
from engine.schedulers.shifted import SHIFT_KEYS

__all__ = ["DEISMultistepScheduler"]


class DEISMultistepScheduler(MultistepScheduler):
    """Zhang and Chen 2023, Fast Sampling with Exponential Integrator (arXiv 2204.13902)."""

    defaults = {
        **SPACING_KEYS,
        **SHIFT_KEYS,
        "solver_order": 2,
        "algorithm_type": "deis",
        "solver_type": "logrho",
        "lower_order_final": True,
    }
    choices = {
        # there is one of each: the others come with the settings of relatives
        "algorithm_type": ("deis", "dpmsolver", "dpmsolver++"),
        "solver_type": ("logrho", "midpoint", "heun", "bh1", "bh2"),
        "solver_order": (1, 2, 3),
    }

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Adams-Bashforth in log rho: eps is a polynomial there, its integral is exact."""
        call, x0 = self.seen(at, x, m, data=False)
        self.remember(call, self.config.solver_order)
        order = self.usable(at, self.config.solver_order)
        leg = Leg(at.sigma, at.next_sigma, data=False)
        return self.advance(leg, x, self.history[:order], leg.moments(order)), x0
