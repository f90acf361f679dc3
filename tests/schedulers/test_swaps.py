"""Another sampler in the middle of a run, through the loop that every picture comes from."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.convergence_cases import EXACT
from engine.pipelines.changes import Change
from engine.pipelines.control import Control
from engine.pipelines.course import Course, Settings
from engine.pipelines.denoise import denoise
from engine.schedulers import SCHEDULERS, EulerDiscreteScheduler
from engine.schedulers.registry import unfit
from tests.schedulers.mixture import MIXTURE, noise_at
from tests.schedulers.oracle import STABLE_DIFFUSION

MODEL = EulerDiscreteScheduler.from_config({**STABLE_DIFFUSION, "clip_sample": False})
STEPS, COUNT = 16, 500
CHANCE = 4.5 / COUNT**0.5

SAMPLERS = [name for name in SCHEDULERS if not unfit(name, MODEL.config)]
NOISELESS = [name for name in SAMPLERS if name in EXACT and not EXACT[name].settings]


@dataclass(frozen=True)
class Told:
    """What the stand-in is told of the calls to come."""

    sigmas: Any

    def at(self, index: int) -> float:
        return float(self.sigmas[index])


class PerfectUNet:
    """Knows the mixture, and of a call what any UNet does: its timestep, and unit variance."""

    def predict(self, sample: Tensor, sigma: float) -> Tensor:
        x = sample.flatten(1).double() * (1 + sigma**2) ** 0.5
        return MIXTURE.believe(x, sigma)[1].view_as(sample).to(sample.dtype)


def told(timesteps: Tensor, guided: bool) -> Any:
    table = np.log(MODEL.table)
    return Told(np.exp(np.interp(timesteps.numpy(), np.arange(len(table)), table)))


def begun(scheduler: Any) -> Tensor:
    point = scheduler.points[0]
    return point.scale * noise_at(point.sigma, COUNT).view(COUNT, 2, 1, 1)


@cache
def run(first: str, second: str) -> tuple[float, Tensor]:
    """The level that a run began at, and its samples (COUNT, 2); half of it by each sampler."""
    control = Control()
    control.prepare({"scheduler": first}, [])
    course = Course(MODEL, Settings(STEPS), control, torch.device("cpu"))
    change = Change(course.all_calls // 2, scheduler=second)
    control.prepare({}, [change])
    generator = torch.Generator().manual_seed(2)
    calls = list(denoise(PerfectUNet(), course, begun, told, generator=generator, options={}))
    taken = [taken.change for call in calls for taken in call.taken if not taken.refused]
    assert [one.settings for one in taken] == [change.settings] * (first != second)
    return calls[0].point.sigma, calls[-1].latents.flatten(1) / calls[-1].point.next_scale


@cache
def ends(sigma: float) -> Tensor:
    """Where the probability-flow equation takes the points that a run begins with."""
    return MIXTURE.flow(noise_at(sigma, COUNT), sigma, 0.0, 1e-8)


def missed(first: str, second: str) -> float:
    """How far from there a run ends: root mean square."""
    sigma, x = run(first, second)
    return float((x - ends(sigma)).square().mean().sqrt())


@pytest.mark.parametrize("first", SAMPLERS)
def test_all_swaps_land_on_the_mixture(first: str) -> None:
    """As near as the worse of the two does alone, but for chance."""
    off = {name: MIXTURE.deviation(run(name, name)[1]) for name in SAMPLERS}
    for second in SAMPLERS:
        _, x = run(first, second)
        assert torch.isfinite(x).all()
        assert MIXTURE.deviation(x) <= max(off[first], off[second]) + CHANCE, second


@pytest.mark.parametrize("first", NOISELESS)
def test_noiseless_swaps_end_where_the_flow_does(first: str) -> None:
    """As near as the worse of the two does alone, but for a new start at order 1."""
    assert missed(first, first) <= 0.08
    for second in NOISELESS:
        worse = max(missed(first, first), missed(second, second))
        assert missed(first, second) <= worse + 0.012, second
