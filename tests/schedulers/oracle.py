"""Runs of our schedulers and of diffusers' on the same stand-in for a model."""

import sys
import types
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

import engine.schedulers
from engine.schedulers import SCHEDULERS
from tests.compare import relative_error

STABLE_DIFFUSION = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
}
CLASSES = [cls for cls, _ in SCHEDULERS.values()]


def pair(cls: str, **config: Any) -> tuple[Any, Any]:
    """Return our scheduler of a class and diffusers'."""
    return getattr(engine.schedulers, cls)(**config), getattr(diffusers, cls)(**config)


def noise(seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def model(x: Tensor, t: Tensor) -> Tensor:
    """A smooth function of both, neither linear nor odd in x."""
    t = t.to(x.dtype) / 1000
    return 0.9 * torch.tanh(x * (1 + t)) + 0.3 * torch.sin(2 * x + 5 * t) - 0.1


def trajectory(
    scheduler: Any, start: int = 0, dtype: torch.dtype = torch.float32, **options: Any
) -> tuple[list[Tensor], list[Tensor]]:
    """Walk a schedule as pipelines do; return the samples and the predicted originals on the way.

    A start in mid-schedule is from a noised picture, as in image-to-image. What is drawn without a
    generator is the same in every walk.
    """
    torch.manual_seed(11)
    timesteps = scheduler.timesteps[start:]
    x = noise(dtype=dtype)
    if start:
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(start)
        x = scheduler.add_noise(0.5 * noise(1, dtype), x, timesteps[:1].repeat(len(x)))
    else:
        x = x * scheduler.init_noise_sigma
    samples, originals = [], []
    for t in timesteps:
        m = model(scheduler.scale_model_input(x, t), t)
        kind = scheduler.config.get("variance_type", "")
        if kind.startswith("learned"):
            v = torch.sin(3 * x)
            m = torch.cat([m, v if kind == "learned_range" else 0.01 * (1.1 + v)], dim=1)
        output = scheduler.step(m, t, x, **options)
        x = output.prev_sample
        samples.append(x)
        if hasattr(output, "pred_original_sample"):  # not so in diffusers' PNDM
            originals.append(output.pred_original_sample)
    return samples, originals


def difference(
    ours: tuple[list[Tensor], list[Tensor]], theirs: tuple[list[Tensor], list[Tensor]]
) -> float:
    """Return the largest error relative to the oracle, step by step; NaN if one is."""
    samples = zip(ours[0], theirs[0], strict=True)
    originals = zip(ours[1], theirs[1], strict=True) if theirs[1] else ()
    errors = [relative_error(a, b) for a, b in (*samples, *originals)]
    return torch.tensor(errors).max().item()


def exactly(oracle: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make diffusers' scheduler, its timesteps set, compute its steps in float64."""
    for name in ("alphas_cumprod", "final_alpha_cumprod", "sigmas"):
        if hasattr(oracle, name):
            setattr(oracle, name, getattr(oracle, name).double())

    class Torch(types.ModuleType):
        float32 = torch.float64

        def __getattr__(self, name: str) -> Any:
            return getattr(torch, name)

    monkeypatch.setattr(sys.modules[type(oracle).__module__], "torch", Torch("torch"))
    return oracle
