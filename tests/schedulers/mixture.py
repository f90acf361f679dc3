"""A world in which every answer is known: a mixture of Gaussians, and a model that knows it.

The noised mixture is a mixture again, so the mean of x0 given x = x0 + sigma * eps has a closed
form (Efron 2011, Tweedie's Formula and Selection Bias, eq. 1.4), and with it the right side of the
probability-flow equation dx / dsigma = eps (Karras et al. 2022, arXiv 2206.00364, eq. 1) has one.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from scipy.integrate import solve_ivp
from torch import Tensor

__all__ = ["ANSWERS", "MIXTURE", "Mixture", "noise_at", "walk"]

Believe: TypeAlias = Callable[[Tensor, float], tuple[Tensor, Tensor]]

ANSWERS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "epsilon": lambda x0, eps, sigma: eps,
    "sample": lambda x0, eps, sigma: x0,
    "v_prediction": lambda x0, eps, sigma: (eps - sigma * x0) / (1 + sigma**2) ** 0.5,
    "flow_prediction": lambda x0, eps, sigma: eps - x0,
    "edm": lambda x0, eps, sigma: _unmixed(x0, eps, sigma, sigma),
    "consistency": lambda x0, eps, sigma: _unmixed(x0, eps, sigma, sigma - 0.002),
}
"""Prediction type -> f(x0, eps, sigma): what a model of that type says.

The last two are what the networks of Karras et al. 2022 (table 1) and Song et al. 2023 (arXiv
2303.01469, appendix C) say, by their default settings.
"""


def _unmixed(x0: Tensor, eps: Tensor, sigma: float, above: float, data: float = 0.5) -> Tensor:
    """F of x0 = c_skip * x + c_out * F."""
    skip = data**2 / (above**2 + data**2)
    out = above * data / (sigma**2 + data**2) ** 0.5
    return (x0 - skip * (x0 + sigma * eps)) / out


class Mixture:
    """Gaussians in the plane, along its axes, in float64.

    weights: (K,), of sum 1. means, deviations: (K, 2).
    """

    def __init__(
        self,
        weights: Sequence[float],
        means: Sequence[Sequence[float]],
        deviations: Sequence[Sequence[float]],
    ) -> None:
        self.weights = torch.tensor(weights, dtype=torch.float64)
        self.means = torch.tensor(means, dtype=torch.float64)
        self.variances = torch.tensor(deviations, dtype=torch.float64) ** 2

    def draw(self, count: int, seed: int) -> Tensor:
        """Points of the mixture: (count, 2)."""
        generator = torch.Generator().manual_seed(seed)
        kinds = self.weights.multinomial(count, replacement=True, generator=generator)
        noise = torch.randn(count, 2, generator=generator, dtype=torch.float64)
        return self.means[kinds] + self.variances[kinds].sqrt() * noise

    def log_densities(self, x: Tensor, sigma: float) -> Tensor:
        """Of each noised component, times its weight: (N, 2) -> (N, K), but for a constant."""
        narrow = 1 / (self.variances + sigma**2)
        constant = self.weights.log() + 0.5 * (narrow.log() - self.means**2 * narrow).sum(1)
        return constant + x @ (self.means * narrow).T - 0.5 * x**2 @ narrow.T

    def believe(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """The mean x0 and eps behind x = x0 + sigma * eps: (N, 2) each."""
        narrow = 1 / (self.variances + sigma**2)
        shares = self.log_densities(x, sigma).softmax(1)
        score = shares @ (self.means * narrow) - x * (shares @ narrow)
        return x + sigma**2 * score, -sigma * score

    def flow(self, x: Tensor, start: float, end: float, tolerance: float = 1e-12) -> Tensor:
        """Where the probability-flow equation takes points (N, 2) from one level to another.

        On the line y = (1 - s) * x0 + s * eps, where dy / ds = eps - x0 is tame from the noise to
        the end; by the Runge-Kutta method of order 8 of Dormand and Prince, which chooses its steps
        by its own estimate of the error.
        """

        def slope(s: float, y: Any) -> Any:
            x0, eps = self.believe(torch.from_numpy(y).view_as(x) / (1 - s), s / (1 - s))
            return (eps - x0).numpy().ravel()

        ends = start / (1 + start), end / (1 + end)
        y = (x * (1 - ends[0])).numpy().ravel()
        run = solve_ivp(slope, ends, y, method="DOP853", rtol=tolerance, atol=tolerance)
        assert run.success, run.message
        return torch.from_numpy(run.y[:, -1].copy()).view_as(x) / (1 - ends[1])

    def jump(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """As `believe`, of a consistency model: x0 is where the flow takes x."""
        x0 = self.flow(x, sigma, 0.0, 1e-5)
        return x0, (x - x0) / sigma

    def features(self, x: Tensor) -> Tensor:
        """What moments are means of, (N, 8): both coordinates, their products, and shares.

        A share is how likely a component is behind a point; on average that is its weight.
        """
        away = x - self.weights @ self.means
        products = away[:, [0, 0, 1]] * away[:, [0, 1, 1]]
        return torch.cat([away, products, self.log_densities(x, 0).softmax(1)], dim=1)

    def moments(self) -> Tensor:
        """The means of `features` over the mixture: (8,)."""
        away = self.means - self.weights @ self.means
        covariance = torch.diag(self.weights @ self.variances)
        covariance += (self.weights[:, None] * away).T @ away
        products = covariance[[0, 0, 1], [0, 1, 1]]
        return torch.cat([torch.zeros(2, dtype=torch.float64), products, self.weights])

    def deviation(self, x: Tensor) -> float:
        """How far the moments of points (N, 2) are off, at most, in standard deviations.

        Of points of the mixture itself it is about 1 / sqrt(N).
        """
        features = self.features(x)
        return float(((features.mean(0) - self.moments()) / features.std(0)).abs().max())


MIXTURE = Mixture(
    weights=(0.5, 0.3, 0.2),
    means=((-1.0, 0.3), (1.0, 0.7), (0.2, -1.1)),
    deviations=((0.5, 0.4), (0.35, 0.45), (0.4, 0.4)),
)


def noise_at(sigma: float, count: int, seed: int = 0) -> Tensor:
    """Points (count, 2) of the mixture under so much noise that little else is left."""
    generator = torch.Generator().manual_seed(seed)
    return MIXTURE.draw(count, seed + 1) + sigma * torch.randn(
        count, 2, generator=generator, dtype=torch.float64
    )


def walk(
    scheduler: Any,
    x: Tensor,
    believe: Believe,
    says: str = "",
    ahead: bool = False,
    **options: Any,
) -> Tensor:
    """Take points x = x0 + sigma * eps (N, 2) along a schedule.

    believe: f(x, sigma), the x0 and eps that the model takes to be there.
    says: what it predicts, where that is not the scheduler's prediction type.
    ahead: it is told where a step ends. options: of `step`.
    """
    answer = ANSWERS[says or scheduler.prediction_type]
    sample = scheduler.points[0].scale * x
    for t in scheduler.timesteps:
        at = scheduler.point(t)
        sigma, scale = (at.next_sigma, at.next_scale) if ahead else (at.sigma, at.scale)
        m = answer(*believe(sample / scale, sigma), sigma)
        sample = scheduler.step(m, t, sample, **options).prev_sample
    return sample / at.next_scale
