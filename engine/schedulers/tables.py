"""Noise schedules as numbers: betas, spacings of timesteps, and shapes of sigma.

Everything here is of numpy. Tables of sigma ascend with the timestep; schedules descend.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    *("BETAS", "SHAPES", "SPACINGS", "Array", "Timesteps", "ends_of", "flow_levels"),
    *("flow_sigmas", "karras", "rest_of", "sigma_to_timestep"),
]

Array: TypeAlias = npt.NDArray[np.float64]
Timesteps: TypeAlias = npt.NDArray[np.int64]
Line: TypeAlias = Callable[[float, float, int], Any]


def _capped(alpha_bar: Callable[[Array], Array], steps: int, max_beta: float = 0.999) -> Array:
    """Betas of a cumulative product of alphas that is a function of t = 0..1."""
    product = alpha_bar(np.arange(steps + 1) / steps)
    return np.minimum(1 - product[1:] / product[:-1], max_beta)


def _cosine(t: Array) -> Array:
    """Nichol and Dhariwal 2021 (arXiv 2102.09672), eq. 17."""
    return np.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x)) if isinstance(x, np.ndarray) else x.sigmoid()


BETAS: dict[str, Callable[[Line, float, float, int], Any]] = {
    "linear": lambda line, start, end, steps: line(start, end, steps),
    "scaled_linear": lambda line, start, end, steps: line(start**0.5, end**0.5, steps) ** 2,
    "squaredcos_cap_v2": lambda line, start, end, steps: _capped(_cosine, steps),
    "exp": lambda line, start, end, steps: _capped(lambda t: np.exp(-12 * t), steps),
    "sigmoid": lambda line, start, end, steps: _sigmoid(line(-6, 6, steps)) * (end - start) + start,
}
"""Name -> f(line, beta_start, beta_end, steps): (steps,); line: as `np.linspace`, or of torch."""


SPACINGS: dict[str, Callable[[int, int, int], Array]] = {
    "leading": lambda total, n, offset: np.arange(n - 1.0, -1, -1) * (total // n) + offset,
    "linspace": lambda total, n, offset: np.linspace(0, total - 1, n)[::-1],
    "trailing": lambda total, n, offset: np.round(np.arange(total, 0, -total / n)) - 1,
}
"""Name -> f(training timesteps, steps, steps_offset): descending (Lin et al. 2023, table 2).

Only `leading` heeds the offset; `linspace` is not rounded.
"""


def karras(low: float, high: float, steps: int, rho: float = 7.0) -> Array:
    """Karras et al. 2022 (arXiv 2206.00364), eq. 5."""
    ramp = np.linspace(0, 1, steps)
    return (high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho


def _exponential(low: float, high: float, steps: int) -> Array:
    return np.exp(np.linspace(math.log(high), math.log(low), steps))


def _beta(low: float, high: float, steps: int, a: float = 0.6) -> Array:
    """Quantiles of the Beta(a, a) distribution (Lee et al. 2024, arXiv 2407.12173)."""
    return low + _beta_quantile(1 - np.linspace(0, 1, steps), a) * (high - low)


def _beta_quantile(q: Array, a: float) -> Array:
    """Inverse of the distribution function of Beta(a, a), by its power series and bisection.

    B_u(a, a) = u^a sum_k (1-a)_k / k! u^k / (a+k) converges as 2^-k for u <= 1/2; the other half
    is its mirror image.
    """
    k = np.arange(60)
    series = np.cumprod(np.r_[1.0, (k[1:] - a) / k[1:]]) / (a + k)

    def integral(u: Array) -> Array:
        return u**a * (u[:, None] ** k @ series)

    tail = np.minimum(q, 1 - q)
    goal = tail * 2 * integral(np.array([0.5]))
    low, high = np.zeros_like(tail), np.full_like(tail, 0.5)
    for _ in range(60):
        middle = (low + high) / 2
        below = integral(middle) < goal
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(q <= 0.5, high, 1 - high) * (tail > 0) + (q == 1)


SHAPES: dict[str, Callable[[float, float, int], Array]] = {
    "use_karras_sigmas": karras,
    "use_exponential_sigmas": _exponential,
    "use_beta_sigmas": _beta,
}
"""Configuration key -> f(lowest sigma, highest sigma, steps): descending."""


def sigma_to_timestep(sigma: Array, table: Array) -> Array:
    """Timesteps of any noise levels, interpolated in log sigma and held at the table's ends."""
    log_sigma = np.log(np.maximum(sigma, 1e-10))
    return np.interp(log_sigma, np.log(table), np.arange(len(table)))


def flow_sigmas(levels: Array) -> Array:
    """Sigma of x0 + sigma * eps at flow's own levels s: (1 - s) * x0 + s * eps, 0 <= s <= 1.

    Where no signal is left, sigma is huge, not infinite.
    """
    return levels / np.maximum(1 - levels, 1e-8)


def flow_levels(sigmas: Array) -> Array:
    """The inverse of `flow_sigmas`."""
    return sigmas / (1 + sigmas)


def rest_of(sigmas: Array, sigma: float, steps: int) -> tuple[Array, Array]:
    """The last `steps` steps of a schedule that is entered at a level which need not be its own.

    sigmas: (n + 1,), descending, the last may be 0. Returns levels (steps + 1,), the first is
    `sigma`, and where on the schedule each lies: 0 to n, evenly apart. Between two levels their
    logarithm is interpolated; before the end, which has none, the level itself.
    """
    n = len(sigmas) - 1
    logs = np.log(sigmas[:n])
    if sigma >= sigmas[n - 1]:
        first = np.interp(-math.log(sigma), -logs, np.arange(n))
    else:
        first = n - (sigma - sigmas[n]) / (sigmas[n - 1] - sigmas[n])
    places = np.linspace(min(first, n), n, steps + 1)
    above = np.exp(np.interp(places, np.arange(n), logs))
    below = np.interp(places, [n - 1, n], sigmas[n - 1 :])
    levels = np.where(places <= n - 1, above, below)
    levels[0] = sigma
    return levels, places


def ends_of(config: Mapping[str, Any]) -> tuple[float, float]:
    """The lowest and the highest noise level of a model with these scheduler settings.

    To three digits, for settings as they stand in a file; 0 and infinity where they are no numbers.
    """
    try:
        betas = config.get("trained_betas")
        if betas is None:
            ends = config.get("beta_start", 0.0001), config.get("beta_end", 0.02)
            make = BETAS[config.get("beta_schedule", "linear")]
            betas = make(np.linspace, *ends, min(config.get("num_train_timesteps", 1000), 10**5))
        signal = np.cumprod(1 - np.asarray(betas, dtype=np.float64))[[0, -1]]
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return 0.0, math.inf  # whoever builds the scheduler says what is wrong
    low, high = np.sqrt(1 / signal - 1).tolist()
    return low, math.inf if config.get("rescale_betas_zero_snr") else high
