"""Noise schedules as numbers: betas, spacings of timesteps, and shapes of sigma.

Everything here runs on the host. Tables of sigma ascend with the timestep; schedules descend.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.errors import EngineError

__all__ = [
    "SHAPES",
    "SPACINGS",
    "Array",
    "betas",
    "choice",
    "sigma_to_timestep",
    "sigmas_of",
    "zero_terminal_snr",
]

Array: TypeAlias = npt.NDArray[np.float64]


def choice(what: str, value: Any, allowed: Iterable[str]) -> Any:
    """Return `value` if it is allowed, else raise an `EngineError` that says what is."""
    names = tuple(allowed)
    if value not in names:
        raise EngineError(f"{what} is {value!r}; choose one of: {', '.join(names)}.")
    return value


def _cosine(steps: int, max_beta: float = 0.999) -> Tensor:
    """Betas of the squared cosine (Nichol and Dhariwal 2021, eq. 17)."""
    t = np.arange(steps + 1) / steps
    alpha_bar = np.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], max_beta)
    return torch.tensor(betas, dtype=torch.float32, device="cpu")


def _line(start: float, end: float, steps: int) -> Tensor:
    return torch.linspace(start, end, steps, dtype=torch.float32, device="cpu")


BETAS: dict[str, Callable[[float, float, int], Tensor]] = {
    "linear": _line,
    "scaled_linear": lambda start, end, steps: _line(start**0.5, end**0.5, steps) ** 2,
    "squaredcos_cap_v2": lambda start, end, steps: _cosine(steps),
    "sigmoid": lambda start, end, steps: _line(-6, 6, steps).sigmoid() * (end - start) + start,
}


def betas(schedule: str, start: float, end: float, steps: int) -> Tensor:
    """Variances added at each training timestep: (steps,), float32.

    float32 because checkpoints were trained and are sampled elsewhere with that table: at small
    timesteps its rounding moves sigma by up to 1e-4 of itself. All that follows is in float64.
    Raises `EngineError` for an unknown schedule.
    """
    return BETAS[choice("beta_schedule", schedule, BETAS)](start, end, steps)


def zero_terminal_snr(betas: Tensor) -> Tensor:
    """Shift and scale the signal so that none is left at the last timestep.

    Lin et al. 2023 (arXiv 2305.08891), algorithm 1. betas: (T,); so is the result.
    """
    signal = (1.0 - betas).cumprod(0).sqrt()
    first, last = signal[0].clone(), signal[-1].clone()
    alphas_cumprod = ((signal - last) * (first / (first - last))) ** 2
    alphas = torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])
    return 1 - alphas


def sigmas_of(alphas_cumprod: Tensor) -> Array:
    """Noise levels of the training timesteps in x = x0 + sigma * eps: (T,), ascending."""
    alpha: Array = alphas_cumprod.double().numpy()
    return np.sqrt((1 - alpha) / alpha)


def _leading(total: int, steps: int, offset: int) -> Array:
    return np.arange(steps, dtype=np.float64)[::-1] * (total // steps) + offset


def _linspace(total: int, steps: int, offset: int) -> Array:
    return np.linspace(0, total - 1, steps)[::-1]


def _trailing(total: int, steps: int, offset: int) -> Array:
    return np.round(np.arange(total, 0, -total / steps)) - 1


SPACINGS: dict[str, Callable[[int, int, int], Array]] = {
    "leading": _leading,
    "linspace": _linspace,
    "trailing": _trailing,
}
"""Name -> f(training timesteps, steps, steps_offset): descending (Lin et al. 2023, table 2).

Only `leading` heeds the offset; `linspace` is not rounded.
"""


def _karras(low: float, high: float, steps: int, rho: float = 7.0) -> Array:
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
    "use_karras_sigmas": _karras,
    "use_exponential_sigmas": _exponential,
    "use_beta_sigmas": _beta,
}
"""Configuration key -> f(lowest sigma, highest sigma, steps): descending."""


def sigma_to_timestep(sigma: Array, table: Array) -> Array:
    """Timesteps of any noise levels, interpolated in log sigma and held at the table's ends."""
    log_sigma = np.log(np.maximum(sigma, 1e-10))
    return np.interp(log_sigma, np.log(table), np.arange(len(table)))
