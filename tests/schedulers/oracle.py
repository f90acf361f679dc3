"""Runs of our schedulers and of diffusers' on the same stand-in for a model."""

import itertools
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from inspect import signature
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from torch import Tensor

import engine.schedulers
from engine.schedulers.dpmsolver_sde import BrownianPath
from tests.compare import relative_error

STABLE_DIFFUSION = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
}

QUIET = [
    pytest.mark.filterwarnings(f"ignore:{text}")
    for text in (
        "__array__:DeprecationWarning",
        "__array_wrap__:DeprecationWarning",
        ".*deprecated:FutureWarning",
    )
]
"""Marks against warnings of diffusers."""

SLOW: dict[str, Any] = {
    "_sigma_to_t": lambda *_: np.zeros(()),
    "_convert_to_beta": lambda _, in_sigmas, num_inference_steps: in_sigmas,
}
"""What the constructors of diffusers take long for."""


def keys(cls: str) -> frozenset[str]:
    """The configuration keys of a class."""
    return getattr(engine.schedulers, cls).keys


def fitting(cls: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Those of the settings that a class has."""
    return {key: value for key, value in settings.items() if key in keys(cls)}


def theirs(cls: str) -> Any:
    """The class of diffusers."""
    return getattr(diffusers, cls)


def pair(cls: str, **config: Any) -> tuple[Any, Any]:
    """Return our scheduler of a class and diffusers'."""
    with quickly(cls):
        return getattr(engine.schedulers, cls)(**config), theirs(cls)(**config)


@contextmanager
def quickly(*classes: str) -> Iterator[None]:
    """Spare diffusers' constructors half a second for timesteps that no test asks for."""
    with pytest.MonkeyPatch.context() as patch:
        for cls, (name, instead) in itertools.product(classes, SLOW.items()):
            if hasattr(theirs(cls), name):
                patch.setattr(theirs(cls), name, instead)
        yield


def noise(seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def model(x: Tensor, t: Tensor) -> Tensor:
    """A smooth function of both, neither linear nor odd in x."""
    time = float(t) / 1000
    return 0.9 * torch.tanh(x * (1 + time)) + 0.3 * torch.sin(2 * x + 5 * time) - 0.1


class Path:
    """Our Brownian motion, as diffusers' scheduler calls its own."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.path = BrownianPath()
        self.dtype = dtype

    def __call__(self, start: Tensor, end: Tensor) -> Tensor:
        def draw() -> Tensor:
            return torch.randn(2, 3, 2, 2, dtype=self.dtype)

        return self.path.increment(float(start), float(end), draw) / (start - end) ** 0.5


def noised(scheduler: Any, picture: Tensor, drawn: Tensor, timesteps: Tensor) -> Tensor:
    """A picture under noise, whatever diffusers' class calls that."""
    if hasattr(scheduler, "add_noise"):
        return scheduler.add_noise(picture, drawn, timesteps)
    if hasattr(scheduler, "scale_noise"):
        return scheduler.scale_noise(picture, timesteps, drawn)
    at = engine.schedulers.IPNDMScheduler().sigmas_at(timesteps.double().numpy())[0]
    return (picture + at * drawn) / (1 + at**2) ** 0.5  # diffusers' IPNDM has no such method


@torch.inference_mode()
def trajectory(
    scheduler: Any,
    start: int = 0,
    dtype: torch.dtype = torch.float32,
    scale: float | None = None,
    **options: Any,
) -> tuple[list[Tensor], list[Tensor]]:
    """Walk a schedule as pipelines do; return the samples and the predicted originals on the way.

    A start in mid-schedule is from a noised picture, as in image-to-image. What is drawn without a
    generator is the same in every walk. scale: in place of `init_noise_sigma`.
    """
    # torch.manual_seed seeds all devices, and notes down who asked for those not there yet
    torch.default_generator.manual_seed(11)
    if hasattr(scheduler, "noise_sampler"):  # diffusers' own path cannot be drawn here
        scheduler.noise_sampler = Path(dtype)
    if hasattr(scheduler, "get_lms_coefficient"):  # 50 times as fast by numbers as by tensors
        numbers = types.SimpleNamespace(sigmas=scheduler.sigmas.tolist())
        scheduler.get_lms_coefficient = partial(type(scheduler).get_lms_coefficient, numbers)
    timesteps = scheduler.timesteps[start:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    x = noise(dtype=dtype)
    if start:
        x = noised(scheduler, 0.5 * noise(1, dtype), x, timesteps[:1].repeat(len(x)))
    else:
        # diffusers' flow matching has none
        x = x * (getattr(scheduler, "init_noise_sigma", 1.0) if scale is None else scale)
    samples, originals = [], []
    for t in timesteps:
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        m = model(scaled, t)
        kind = scheduler.config.get("variance_type") or ""
        if kind.startswith("learned"):
            v = torch.sin(3 * x)
            m = torch.cat([m, v if kind == "learned_range" else 0.01 * (1.1 + v)], dim=1)
        output = scheduler.step(m, t, x, **options)
        x = output.prev_sample
        samples.append(x)
        if hasattr(output, "pred_original_sample"):  # not so in diffusers' PNDM
            originals.append(output.pred_original_sample)
    return samples, originals


def arrives(scheduler: Any, start: int = 0, stochastic: bool = False) -> bool:
    """Whether a model that knows the picture leads any sample of the schedule straight to its end.

    stochastic: only the end is looked at.
    """
    x0, eps = noise(1), noise(2)
    at = scheduler.point(scheduler.timesteps[start])
    x, along = at.scale * (x0 + at.sigma * eps), []
    for t in scheduler.timesteps[start:]:
        at = scheduler.point(t)
        along.append(relative_error(x, at.scale * (x0 + at.sigma * eps)) <= 1e-5)
        (a, b), known = (at.x0, x0) if stochastic else (at.eps, eps)
        x, original = scheduler.step((known - a * (x / at.scale)) / b, t, x)
        along.append(relative_error(original, x0) <= 1e-4)
    end = relative_error(x, at.next_scale * (x0 + at.next_sigma * eps)) <= 1e-5
    return end and (stochastic or all(along))


def difference(
    ours: tuple[list[Tensor], list[Tensor]], theirs: tuple[list[Tensor], list[Tensor]]
) -> float:
    """Return the largest error relative to the oracle, step by step; NaN if one is."""
    samples = zip(ours[0], theirs[0], strict=True)
    originals = zip(ours[1], theirs[1], strict=True) if theirs[1] else ()
    errors = [relative_error(a, b) for a, b in (*samples, *originals)]
    return torch.tensor(errors).max().item()


def error(
    schedulers: tuple[Any, Any],
    *,
    start: int = 0,
    exact: bool = False,
    seed: int | None = None,
    options: dict[str, Any] | None = None,
    **schedule: Any,
) -> float:
    """Return how far apart the runs of our scheduler and of diffusers' are: `difference`.

    schedule: arguments of `set_timesteps`. start: the step to start at. exact: in float64. seed: of
    a generator, for classes that take one in `step`. options: others of `step`.
    """
    ours, oracle = schedulers
    ours.set_timesteps(**schedule)
    flow = ours.scaling == "flow"  # levels are those of float32 in any case: 1 - s shows it
    if flow or not exact:
        oracle.set_timesteps(**schedule)
    runs = []
    with exactly(oracle) if exact else nullcontext():
        if exact and not flow:
            oracle.set_timesteps(**schedule)
        follow(ours, oracle)
        for scheduler in schedulers:
            more = dict(options or {})
            if seed is not None and "generator" in signature(oracle.step).parameters:
                more["generator"] = torch.Generator().manual_seed(seed)
            if exact:
                more |= {"dtype": torch.float64, "scale": ours.init_noise_sigma}
            runs.append(trajectory(scheduler, start * ours.order, **more))
    return difference(*runs)


def follow(ours: Any, oracle: Any) -> None:
    """Check that the timesteps are the same, and make them so in the last digits."""
    assert ours.timesteps.is_floating_point() == oracle.timesteps.is_floating_point()
    expected = oracle.timesteps.to(ours.timesteps.dtype)  # some of theirs are float64
    if floored(ours):
        assert (ours.timesteps - expected).abs().max() <= 1
        oracle.timesteps = ours.timesteps.clone()
    else:
        torch.testing.assert_close(ours.timesteps, expected, rtol=1e-5, atol=1e-3)


def floored(ours: Any) -> bool:
    """Whether timesteps are rounded down: of 998.99998, which is 999 in exact arithmetic."""
    return ours.whole_timesteps and ours.shape is not None


@contextmanager
def exactly(oracle: Any) -> Iterator[Any]:
    """Have diffusers' scheduler compute schedule and steps in float64."""
    names = [n for n in ("alphas_cumprod", "final_alpha_cumprod", "sigmas") if hasattr(oracle, n)]
    before = {name: getattr(oracle, name) for name in names}
    for name, value in before.items():
        setattr(oracle, name, value.double())

    class Wide(types.ModuleType):
        def __init__(self, module: types.ModuleType, float32: Any) -> None:
            super().__init__(module.__name__)
            self.module, self.float32 = module, float32

        def __getattr__(self, name: str) -> Any:
            return getattr(self.module, name)

    source = sys.modules[type(oracle).__module__]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "torch", Wide(torch, torch.float64))
        patch.setattr(source, "np", Wide(np, np.float64), raising=False)
        torch.set_default_dtype(torch.float64)
        try:
            yield oracle
        finally:
            torch.set_default_dtype(torch.float32)
            for name, value in before.items():
                setattr(oracle, name, value)
