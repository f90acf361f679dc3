"""UniPC: a multistep predictor with a corrector that costs no call of the model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from engine.errors import EngineError
from engine.schedulers.base import Noise, Step
from engine.schedulers.multistep import Leg, MultistepScheduler, Seen
from engine.schedulers.points import Point
from engine.schedulers.settings import SPACING_KEYS
from engine.schedulers.shifted import SHIFT_KEYS
from engine.schedulers.tables import Array

__all__ = ["UniPCMultistepScheduler"]


class UniPCMultistepScheduler(MultistepScheduler):
    """Zhao et al. 2023, UniPC: A Unified Predictor-Corrector Framework (arXiv 2302.04867)."""

    takes = ("sigmas", "mu", "timesteps")
    few_steps = float("inf")
    defaults = {
        **SPACING_KEYS,
        **SHIFT_KEYS,
        "solver_order": 2,
        "predict_x0": True,
        "solver_type": "bh2",
        "lower_order_final": True,
        "disable_corrector": [],
        "solver_p": None,
        "final_sigmas_type": "zero",
        "rescale_betas_zero_snr": False,
        "sigma_min": None,
        "sigma_max": None,
        "shift_terminal": None,
    }
    choices = {
        # midpoint, heun and logrho come with the settings of relatives: read as bh2
        "solver_type": ("bh1", "bh2", "midpoint", "heun", "logrho"),
        "solver_p": (None,),
    }

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        config = self.config
        if config.thresholding and not config.predict_x0:
            raise EngineError("thresholding changes x0: it needs predict_x0=True.")
        if config.shift_terminal is not None and not config.use_flow_sigmas:
            raise EngineError("shift_terminal needs use_flow_sigmas=True.")

    def line(self, steps: int) -> Array:
        return self.shifted(np.linspace(1, 1 / len(self), steps + 1)[:-1])

    def shifted(self, levels: Array) -> Array:
        """The first keeps a trace of the signal."""
        levels = super().shifted(levels)
        levels[0] -= 1e-6 * (abs(levels[0] - 1) < 1e-6)
        return levels

    def reset(self) -> None:
        super().reset()
        self.order_before = 0

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Correct the last step by what is said at its end (UniC), then predict the next (UniP)."""
        call, x0 = self.seen(at, x, m, data=self.config.predict_x0)
        if self.history and at.index - 1 not in self.config.disable_corrector:
            last = self.history[0]
            calls = [call, *self.history[: self.order_before]]
            x = self.solve(last.at.sigma, at.sigma, last.x, calls)
        self.remember(call._replace(x=x), self.config.solver_order)
        self.order_before = self.usable(at, self.config.solver_order)
        return self.solve(at.sigma, at.next_sigma, x, self.history[: self.order_before]), x0

    def solve(self, start: float, end: float, x: Tensor, calls: Sequence[Seen]) -> Tensor:
        """By the mean of two calls, times B(h); by more than two the integral is exact."""
        leg = Leg(start, end, data=self.config.predict_x0)
        moments = leg.moments(len(calls))
        if len(calls) == 2:
            bh1 = self.config.solver_type == "bh1"
            moments[1] = (leg.rate * leg.edge if bh1 else leg.whole) / 2
        return self.advance(leg, x, calls, moments)
