"""The steps of a schedule as plain numbers, computed once, in float64, on the host."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.schedulers.tables import Array

__all__ = ["PREDICTIONS", "Pair", "Plan", "Point", "combine"]

Pair: TypeAlias = tuple[float, float]

PREDICTIONS: dict[str, Callable[[float, float], tuple[Pair, Pair]]] = {
    "epsilon": lambda sigma, c: ((1.0, -sigma), (0.0, 1.0)),
    "sample": lambda sigma, c: ((0.0, 1.0), (1 / sigma, -1 / sigma)),
    "v_prediction": lambda sigma, c: ((c * c, -sigma * c), (sigma * c * c, c)),
}
"""Prediction type -> f(sigma, c = 1 / sqrt(1 + sigma^2)): `Point.x0` and `Point.eps`."""


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a schedule: a sample here is `scale * (x0 + sigma * eps)`, with x0, eps unknown.

    x0, eps: their estimates, as (a, b) of a * x + b * model_output, where x = sample / scale.
    next_sigma, next_scale: where the step ends; not always where the next one begins.
    """

    index: int
    timestep: float
    sigma: float
    scale: float
    next_sigma: float
    next_scale: float
    x0: Pair
    eps: Pair


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule in arrays of shape (n,): from `sigmas` at `timesteps` to `next_sigmas`.

    levels: the public `Scheduler.sigmas`; None stands for `sigmas` and the last of `next_sigmas`.
    """

    timesteps: npt.NDArray[Any]
    sigmas: Array
    next_sigmas: Array
    levels: Array | None = None

    def points(self, prediction_type: str, variance_preserving: bool) -> tuple[Point, ...]:
        """Return the steps one by one."""
        unit, next_unit = (1 / np.sqrt(1 + s**2) for s in (self.sigmas, self.next_sigmas))
        scale, next_scale = (unit, next_unit) if variance_preserving else (unit**0, next_unit**0)
        rows = (self.timesteps, self.sigmas, scale, self.next_sigmas, next_scale, unit)
        predict = PREDICTIONS[prediction_type]
        return tuple(
            Point(index, t, sigma, a, end, b, *predict(sigma, c))
            for index, (t, sigma, a, end, b, c) in enumerate(
                zip(*(row.tolist() for row in rows), strict=True)
            )
        )


def combine(coefficients: Pair, x: Tensor, m: Tensor) -> Tensor:
    """Return a * x + b * m in as few operations as the coefficients allow."""
    a, b = coefficients
    if a == 0:
        return m if b == 1 else b * m
    return torch.add(x if a == 1 else a * x, m, alpha=b)
