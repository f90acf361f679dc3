"""PNDM: pseudo numerical methods, linear multistep with or without a Runge-Kutta warm-up."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine.checks import within
from engine.schedulers.base import Noise, Step
from engine.schedulers.discrete import DiscreteScheduler
from engine.schedulers.points import Plan, Point

__all__ = ["ADAMS_BASHFORTH", "PNDMScheduler", "blend"]

WARM_UP = 12  # calls: four a step of Runge-Kutta, three steps
ADAMS_BASHFORTH = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)
RUNGE_KUTTA = (1 / 6, 1 / 3, 1 / 3, 1 / 6)


class PNDMScheduler(DiscreteScheduler):
    """Liu et al. 2022, Pseudo Numerical Methods for Diffusion Models (arXiv 2202.09778).

    With `skip_prk_steps` the first step is made twice in place of the warm-up (Heun's method).
    """

    defaults = {"skip_prk_steps": False, "set_alpha_to_one": False}

    def plan(self, steps: int) -> Plan:
        t, stride = self.spaced(steps), len(self) // steps
        if self.config.skip_prk_steps:
            t = np.concatenate([t[:2], t[1:2], t[2:]])
            repeat = np.arange(len(t)) == 1
            return replace(self.between(t, t - stride), stages=repeat.astype(int))
        within("num_inference_steps (skip_prk_steps=True needs fewer)", steps, 4)
        # of each warm-up step: its start, its middle twice, its end
        middles = t[1:4] + stride // 2
        first = np.stack([t[:3], middles, middles, t[1:4]], axis=1).ravel()
        timesteps = np.concatenate([first, t[3:]])
        ends = timesteps - stride
        ends[:WARM_UP] = first - stride // 2 * (np.arange(WARM_UP) % 2 == 0)
        count = np.arange(len(timesteps))
        stages = np.where(count < WARM_UP, count % 4, 0)
        return replace(self.between(timesteps, ends), stages=stages)

    def reset(self) -> None:
        self.calls = 0
        self.ets: list[Tensor] = []
        self.slopes: list[Tensor] = []
        self.anchor: tuple[Point, Tensor] | None = None
        self.warm_up = 0
        self.repeats: tuple[Point, ...] = ()
        t, steps = self._plan.timesteps, self.num_inference_steps
        if steps is None or len(t) == steps:  # levels from elsewhere: neither is made for those
            return
        if self.config.skip_prk_steps:
            self.repeats = self.points_of(self.between(t + len(self) // steps, t))
        else:
            self.warm_up = WARM_UP

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Also a run that starts in mid-schedule makes its first step twice."""
        super().set_begin_index(begin_index)
        if self.repeats:
            again = begin_index + 1
            self._points = tuple(replace(p, stage=int(p.index == again)) for p in self.points)

    def leg(self, here: Point) -> Point:
        """The second call repeats the first step, knowing more; all others go on from here."""
        return self.repeats[here.index] if self.calls == 1 and self.repeats else here

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise) -> Step:
        """Equation 9 is Euler's step in x, with an e_t blended from several model outputs.

        Equation 12 blends the last four, fewer at the start. A run that starts in mid-schedule
        repeats its first step too, and so ends one step early, as in diffusers.
        """
        x0 = self.original(self.points[at.index], x, m)
        start, call = at, self.calls
        self.calls += 1
        if at.index < self.warm_up:
            start, x, m = self._runge_kutta(at, x, m)
        elif call == 1 and self.repeats and self.anchor is not None:
            x = self.anchor[1] * (self.anchor[0].scale / at.scale)
            m = (m + self.ets[-1]) / 2
        else:
            self.ets = [*self.ets[-3:], m]
            self.anchor = (at, x)
            weights = ADAMS_BASHFORTH[len(self.ets) - 1]
            m = blend(weights, self.ets[::-1])
        _, eps = self.estimate(start, x, m)
        return x + (at.next_sigma - start.sigma) * eps, x0

    def _runge_kutta(self, at: Point, x: Tensor, m: Tensor) -> tuple[Point, Tensor, Tensor]:
        """Equation 13: where the step in hand began, and the slope to go on with.

        A run that starts inside a step takes that for its beginning, with the stages that are left.
        """
        stage = at.index % 4
        if stage == 0:
            self.ets.append(m)
        if stage == 0 or self.anchor is None:
            self.anchor, self.slopes = (at, x), []
        self.slopes.append(m)
        if stage == 3:
            weights = RUNGE_KUTTA[-len(self.slopes) :]
            m = blend([w / sum(weights) for w in weights], self.slopes)
        return *self.anchor, m


def blend(weights: Sequence[float], outputs: Sequence[Tensor]) -> Tensor:
    total = weights[0] * outputs[0]
    for weight, output in zip(weights[1:], outputs[1:], strict=True):
        total = torch.add(total, output, alpha=weight)
    return total
