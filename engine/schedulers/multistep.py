"""Solvers that look back: what the multistep classes share, the grid, the history, the integrals.

In lambda = -log(sigma) a step is an exponentially weighted integral of what the model says, x0 or
eps, which is taken for a polynomial through what it has said so far.
"""

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from torch import Tensor

from engine.schedulers.base import Scheduler
from engine.schedulers.points import Plan, Point, combine
from engine.schedulers.settings import BETA_KEYS, SHAPE_KEYS, THRESHOLD_KEYS
from engine.schedulers.shifted import ShiftedScheduler
from engine.schedulers.tables import SPACINGS, Array, flow_sigmas

__all__ = ["History", "Leg", "MultistepScheduler", "Seen"]


class Seen(NamedTuple):
    """A call of the model: where, at which x, and the x0 or eps that came of it."""

    at: Point
    x: Tensor
    y: Tensor


class Leg:
    """From a noise level to another, by what is said of x0 (data) or of eps.

    x' = decay * x + sum_k moments[k] * (coefficient of u^k) + spread * noise, u = 0..1 in lambda;
    moments[k] is the integral of rate * exp(-rate * (1 - u)) * u^k, times edge.
    tau: 0 is the ordinary, 1 the stochastic equation (Xue et al. 2023, arXiv 2309.05019).
    """

    def __init__(self, start: float, end: float, *, data: bool, tau: float = 0.0) -> None:
        self.start = start
        self.h = math.log(start / end) if end > 0 else math.inf
        growth = 1 + tau**2
        if data:
            self.rate, self.edge = growth * self.h, 1.0
            self.decay, self.whole = math.exp(-self.rate), -math.expm1(-self.rate)
            self.spread = end * max(0.0, 1 - (end / start) ** (2 * tau**2)) ** 0.5
        else:
            self.rate, self.edge = -self.h, growth * end
            self.decay, self.whole = 1.0, growth * (end - start)
            self.spread = tau * max(0.0, start**2 - end**2) ** 0.5

    def moments(self, count: int) -> list[float]:
        """The integrals of u^k, k < count, with the weight of the leg: by parts."""
        moments = [self.whole]
        for k in range(1, count):
            moments.append(self.edge - k * moments[-1] / self.rate if self.h else 0.0)
        return moments

    def place(self, at: Point) -> float:
        """u of a point: 0 at the start of the leg, 1 at its end."""
        return math.log(self.start / at.sigma) / self.h


class History(Scheduler):
    """Remembers the last calls, the newest first."""

    few_steps: ClassVar[float] = 15
    """Runs of fewer steps end with lower orders, where `lower_order_final` is on."""

    def reset(self) -> None:
        self.history: list[Seen] = []

    def seen(self, at: Point, x: Tensor, m: Tensor, *, data: bool) -> tuple[Seen, Tensor]:
        """A call, not yet remembered, and x0."""
        if self.setting("variance_type", None):
            m = m[:, : x.shape[1]]  # what follows is a learned variance, of no use here
        x0 = self.original(at, x, m)
        if data:
            return Seen(at, x, x0), x0
        thresholded = self.setting("thresholding", False)
        return Seen(at, x, (x - x0) / at.sigma if thresholded else combine(at.eps, x, m)), x0

    def remember(self, call: Seen, most: int) -> None:
        """Keep a call and the `most` - 1 before it, one of each noise level."""
        older = [other for other in self.history if other.at.sigma != call.at.sigma]
        self.history = [call, *older[: most - 1]]

    def usable(self, at: Point, most: int) -> int:
        """The order of a step: up to `most`, as far as there is a history, lower at the end."""
        n = len(self.points)
        left = n - at.index
        if at.next_sigma == 0 or (left == 1 and self.setting("euler_at_final", False)):
            return 1
        if self.config.lower_order_final and n < self.few_steps:
            most = min(most, left)
        return min(most, len(self.history))

    def advance(
        self,
        leg: Leg,
        x: Tensor,
        calls: Sequence[Seen],
        moments: Sequence[float],
        noise: Tensor | None = None,
    ) -> Tensor:
        """Go a leg from x, by the polynomial through what was seen in as many calls as moments."""
        if leg.h == 0:
            return x
        places = [leg.place(call.at) for call in calls]
        # Lagrange's weights: exact for every power of u
        weights = np.linalg.solve(np.vander(places, increasing=True).T, moments[: len(places)])
        x = leg.decay * x
        for weight, call in zip(weights.tolist(), calls, strict=True):
            x = x + weight * call.y
        return x if noise is None or leg.spread == 0 else x + leg.spread * noise


class MultistepScheduler(History, ShiftedScheduler):
    """Grids of one timestep more than there are steps, the last of which is left out."""

    defaults = {
        **BETA_KEYS,
        **THRESHOLD_KEYS,
        **SHAPE_KEYS,
        "use_flow_sigmas": False,
        "flow_shift": 1.0,
    }
    whole_timesteps: ClassVar[bool] = True
    alpha_floor: ClassVar[float] = 2**-24
    repeats_last: ClassVar[bool] = True
    """A shape or flow that does not end at zero ends where its last step begins."""

    @property
    def end_sigma(self) -> float:
        # DEIS and SA-Solver have no setting for it
        if self.setting("final_sigmas_type", "sigma_min") == "zero":
            return 0.0
        first = self.table[:1]
        return float((flow_sigmas(first) if self.scaling == "flow" else first)[0])

    @property
    def rounded(self) -> bool:
        """Timesteps of noise levels are rounded to the nearest whole one, not down."""
        return self.shape == "use_karras_sigmas" and self.scaling != "flow"

    def spaced(self, steps: int) -> Array:
        """The timesteps of the configured spacing, below `lambda_min_clipped`'s: descending."""
        least = self.setting("lambda_min_clipped", -math.inf)
        total, last = len(self), int((-np.log(self.table) >= least).sum())
        spacing = self.setting("timestep_spacing", "linspace")
        if spacing == "trailing":
            timesteps = np.arange(last, 0, -total / steps).round() - 1
        else:
            offset = self.setting("steps_offset", 0)
            timesteps = SPACINGS[spacing](last, steps + 1, offset)[:-1].round()
        return np.minimum(timesteps, total - 1)

    def line(self, steps: int) -> Array:
        """Levels of flow, evenly apart but for the shift: (steps,), descending."""
        levels = 1 - np.linspace(1, 1 / len(self), steps + 1)
        return self.shifted(levels)[:0:-1]

    def grid(self, steps: int) -> tuple[Array, Array]:
        if self.shape is not None:
            sigmas = self.shaped(self.table[0], self.table[-1], steps)
            timesteps = self.timesteps_at(sigmas)
            # the highest level is that of the last timestep, whatever the rounding
            whole = timesteps.round() if self.rounded else np.floor(timesteps + 1e-4)
            return self.ended(whole, sigmas)
        if self.scaling == "flow":
            return self.along(self.line(steps))
        timesteps = self.spaced(steps)
        return timesteps, np.append(self.sigmas_at(timesteps), self.end_sigma)

    def along(self, levels: Array) -> tuple[Array, Array]:
        """A grid over levels of flow, which are what their float32 is: 1 - s would show it."""
        exact = levels.astype(np.float32).astype(np.float64)
        return self.ended(np.floor(levels * len(self)), flow_sigmas(exact))

    def ended(self, timesteps: Array, sigmas: Array) -> tuple[Array, Array]:
        """A grid with its end."""
        end = self.end_sigma
        return timesteps, np.append(sigmas, sigmas[-1] if end and self.repeats_last else end)

    def custom_plan(self, timesteps: Array | None, sigmas: Array | None) -> Plan:
        if sigmas is not None and self.scaling == "flow":
            return self.through(*self.along(self.shifted(sigmas)))
        return super().custom_plan(timesteps, sigmas)
