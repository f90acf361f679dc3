"""Linear multistep."""

import numpy as np
from torch import Tensor

from engine.checks import within
from engine.schedulers.base import Noise, Step
from engine.schedulers.interpolated import InterpolatedScheduler
from engine.schedulers.points import Point
from engine.schedulers.settings import SHAPE_KEYS

__all__ = ["LMSDiscreteScheduler"]


class LMSDiscreteScheduler(InterpolatedScheduler):
    """Adams and Bashforth's method on uneven levels of sigma (k-diffusion's, by Crowson)."""

    defaults = {**SHAPE_KEYS}

    def reset(self) -> None:
        self.slopes: list[Tensor] = []

    def weights(self, index: int, order: int) -> list[float]:
        """What the slope at the step `index`, and at those before it, counts over that step.

        The integral of Lagrange's polynomials through them, by Gauss and Legendre's rule, which is
        exact for them.
        """
        sigmas = np.array([self.points[index - k].sigma for k in range(order)])
        nodes, weights = np.polynomial.legendre.leggauss((order + 1) // 2)
        half = (self.points[index].next_sigma - sigmas[0]) / 2
        at = sigmas[0] + half * (1 + nodes)
        return [
            float(half * weights @ np.prod((at[:, None] - others) / (sigma - others), axis=1))
            for sigma, others in ((s, sigmas[sigmas != s]) for s in sigmas)
        ]

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise, *, order: int = 4) -> Step:
        """The step with a polynomial through the last slopes; order: how many they are at most.

        As in diffusers, a run that starts in mid-schedule has the weights of slopes that it lacks
        left out, and so moves by too much or too little at first.
        """
        within("order", order, 1)
        x0, eps = self.estimate(at, x, m)
        self.slopes = [eps, *self.slopes[: order - 1]]
        for weight, slope in zip(
            self.weights(at.index, min(at.index + 1, order)), self.slopes, strict=False
        ):
            x = x + weight * slope
        return x, x0
