"""The variances that noise was added with in training, as the checkpoints have them."""

import numpy as np
import torch
from torch import Tensor

from engine.checks import choice
from engine.schedulers.tables import BETAS, Array

__all__ = ["betas", "sigmas_of", "zero_terminal_snr"]


def _line(start: float, end: float, steps: int) -> Tensor:
    return torch.linspace(start, end, steps, dtype=torch.float32, device="cpu")


def betas(schedule: str, start: float, end: float, steps: int) -> Tensor:
    """Variances added at each training timestep: (steps,), float32.

    float32 because checkpoints were trained and are sampled elsewhere with that table: at small
    timesteps its rounding moves sigma by up to 1e-4 of itself. All that follows is in float64.
    Raises `EngineError` for an unknown schedule.
    """
    made = BETAS[choice("beta_schedule", schedule, BETAS)](_line, start, end, steps)
    return torch.as_tensor(made, dtype=torch.float32, device="cpu")


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
