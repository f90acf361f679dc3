"""The steps of a schedule as plain numbers, computed once, in float64, on the host."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.schedulers.tables import Array

__all__ = ["PREDICTIONS", "SCALES", "Pair", "Plan", "Point", "combine"]

Pair: TypeAlias = tuple[float, float]

SCALES: dict[str, Callable[[Any], Any]] = {
    "variance_preserving": lambda sigma: (1 + sigma**2) ** -0.5,
    "variance_exploding": lambda sigma: sigma**0,
    "flow": lambda sigma: 1 / (1 + sigma),
}
"""Scaling -> f(sigma), of arrays or tensors: what a sample is, over x0 + sigma * eps.

Of unit variance; not scaled; or on the straight line from x0 to eps, (1 - s) * x0 + s * eps with
s = sigma / (1 + sigma) (Lipman et al. 2023, arXiv 2210.02747).
"""

PREDICTIONS: dict[str, Callable[[float, float], tuple[Pair, Pair]]] = {
    "epsilon": lambda sigma, c: ((1.0, -sigma), (0.0, 1.0)),
    "sample": lambda sigma, c: ((0.0, 1.0), (1 / sigma, -1 / sigma)),
    "v_prediction": lambda sigma, c: ((c * c, -sigma * c), (sigma * c * c, c)),
    "flow_prediction": lambda sigma, c: ((c, -sigma * c), (c, c)),
}
"""Prediction type -> f(sigma, c): `Point.x0` and `Point.eps`.

c is the scale of a sample of unit variance, or on the line of flow.
"""


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a schedule: a sample here is `scale * (x0 + sigma * eps)`, with x0, eps unknown.

    x0, eps: their estimates, as (a, b) of a * x + b * model_output, where x = sample / scale.
    next_sigma, next_scale: where the step ends; not always where the next one begins.
    stage: 0 for the first call of the model in a step, 1 and on for those that follow in it.
    """

    index: int
    timestep: float
    sigma: float
    scale: float
    next_sigma: float
    next_scale: float
    x0: Pair
    eps: Pair
    stage: int

    def noised(self, x0: Tensor, eps: Tensor) -> Tensor:
        """The sample here of a known x0 and eps, of the same shape."""
        return self.scale * torch.add(x0, eps, alpha=self.sigma)


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule in arrays of shape (n,): from `sigmas` at `timesteps` to `next_sigmas`.

    stages: `Point.stage` of each; None where every call is a step.
    """

    timesteps: npt.NDArray[Any]
    sigmas: Array
    next_sigmas: Array
    stages: npt.NDArray[np.int64] | None = None

    @property
    def steps(self) -> int:
        """How many steps the calls are of."""
        return len(self.timesteps) if self.stages is None else int((self.stages == 0).sum())

    def points(self, prediction_type: str, scaling: str) -> tuple[Point, ...]:
        """Return the calls one by one."""
        scales = SCALES[scaling]
        # a network that predicts a velocity was trained on samples of unit variance, or on the line
        unit = SCALES["flow" if scaling == "flow" else "variance_preserving"](self.sigmas)
        stages = np.zeros(len(self.sigmas), int) if self.stages is None else self.stages
        ends = (self.next_sigmas, scales(self.next_sigmas))
        rows = (self.timesteps, self.sigmas, scales(self.sigmas), *ends, unit, stages)
        predict = PREDICTIONS[prediction_type]
        return tuple(
            Point(index, t, sigma, scale, end, end_scale, *predict(sigma, c), stage)
            for index, (t, sigma, scale, end, end_scale, c, stage) in enumerate(
                zip(*(row.tolist() for row in rows), strict=True)
            )
        )


def combine(coefficients: Pair, x: Tensor, m: Tensor) -> Tensor:
    """Return a * x + b * m in as few operations as the coefficients allow."""
    a, b = coefficients
    if a == 0:
        return m if b == 1 else b * m
    return torch.add(x if a == 1 else a * x, m, alpha=b)
