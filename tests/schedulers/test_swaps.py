"""Another sampler in the middle of a run, through the loop that every picture comes from."""

from collections.abc import Callable
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
from engine.pipelines.course import Course, Settings, named_config
from engine.pipelines.denoise import denoise
from engine.schedulers import (
    SCHEDULERS,
    EDMEulerScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from engine.schedulers.registry import unfit
from engine.schedulers.tables import flow_sigmas
from tests.schedulers.mixture import ANSWERS, MIXTURE, noise_at
from tests.schedulers.oracle import STABLE_DIFFUSION

DIFFUSION = EulerDiscreteScheduler.from_config({**STABLE_DIFFUSION, "clip_sample": False})
LOGS = np.log(DIFFUSION.table)
STEPS, COUNT = 16, 500
CHANCE = 4.5 / COUNT**0.5


@dataclass(frozen=True)
class Family:
    """A kind of model.

    own: its scheduler. says: a key of `ANSWERS`. level: f(timesteps), the noise levels that it is
    told by them. size: f(level), what a sample is over, where it comes to the model.
    off: how far from the truth runs without noise may end.
    """

    own: Any
    says: str
    level: Callable[[Any], Any]
    size: Callable[[float], float]
    off: float = 0.08

    @property
    def samplers(self) -> list[str]:
        return [name for name in SCHEDULERS if not unfit(name, named_config(self.own))]

    @property
    def noiseless(self) -> list[str]:
        return [name for name in self.samplers if name in EXACT and not EXACT[name].settings]


FAMILIES = {
    "diffusion": Family(
        *(DIFFUSION, "epsilon"),
        level=lambda t: np.exp(np.interp(t, np.arange(len(LOGS)), LOGS)),
        size=lambda sigma: (1 + sigma**2) ** 0.5,
    ),
    "flow": Family(
        *(FlowMatchEulerDiscreteScheduler(), "flow_prediction"),
        level=lambda t: flow_sigmas(t / 1000),
        size=lambda sigma: 1 + sigma,
    ),
    "EDM": Family(
        *(EDMEulerScheduler(), "edm"),
        level=lambda t: np.exp(4 * t),
        size=lambda sigma: (0.25 + sigma**2) ** 0.5,
        off=0.13,  # it begins at 80
    ),
}


@dataclass(frozen=True)
class Told:
    """What the stand-in is told of the calls to come."""

    sigmas: Any

    def at(self, index: int) -> float:
        return float(self.sigmas[index])


@dataclass(frozen=True)
class PerfectUNet:
    """Knows the mixture, and of a call what any UNet does: its timestep, and the sample's size."""

    family: Family

    def told(self, timesteps: Tensor, guided: bool) -> Any:
        return Told(self.family.level(timesteps.double().numpy()))

    def predict(self, sample: Tensor, sigma: float) -> Tensor:
        x = sample.flatten(1).double() * self.family.size(sigma)
        said = ANSWERS[self.family.says](*MIXTURE.believe(x, sigma), sigma)
        return said.view_as(sample).to(sample.dtype)


def begun(scheduler: Any) -> Tensor:
    point = scheduler.points[0]
    return point.scale * noise_at(point.sigma, COUNT).view(COUNT, 2, 1, 1)


@cache
def run(kind: str, first: str, second: str) -> tuple[float, Tensor]:
    """The level that a run began at, and its samples (COUNT, 2); half of it by each sampler."""
    control = Control()
    control.prepare({"scheduler": first}, [])
    model = PerfectUNet(FAMILIES[kind])
    course = Course(model.family.own, Settings(STEPS), control, torch.device("cpu"))
    change = Change(course.all_calls // 2, scheduler=second)
    control.prepare({}, [change])
    generator = torch.Generator().manual_seed(2)
    calls = list(denoise(model, course, begun, model.told, generator=generator, options={}))
    taken = [taken.change for call in calls for taken in call.taken if not taken.refused]
    assert [one.settings for one in taken] == [change.settings] * (first != second)
    return calls[0].point.sigma, calls[-1].latents.flatten(1) / calls[-1].point.next_scale


@cache
def ends(sigma: float) -> Tensor:
    """Where the probability-flow equation takes the points that a run begins with."""
    return MIXTURE.flow(noise_at(sigma, COUNT), sigma, 0.0, 1e-8)


def missed(kind: str, first: str, second: str) -> float:
    """How far from there a run ends: root mean square."""
    sigma, x = run(kind, first, second)
    return float((x - ends(sigma)).square().mean().sqrt())


@pytest.mark.parametrize(
    ("kind", "first"), [(kind, name) for kind in FAMILIES for name in FAMILIES[kind].samplers]
)
def test_all_swaps_land_on_the_mixture(kind: str, first: str) -> None:
    """As near as the worse of the two does alone, but for chance."""
    samplers = FAMILIES[kind].samplers
    off = {name: MIXTURE.deviation(run(kind, name, name)[1]) for name in samplers}
    for second in samplers:
        _, x = run(kind, first, second)
        assert torch.isfinite(x).all()
        assert MIXTURE.deviation(x) <= max(off[first], off[second]) + CHANCE, second


@pytest.mark.parametrize(
    ("kind", "first"), [(kind, name) for kind in FAMILIES for name in FAMILIES[kind].noiseless]
)
def test_noiseless_swaps_end_where_the_flow_does(kind: str, first: str) -> None:
    """As near as the worse of the two does alone, but for a new start at order 1."""
    assert missed(kind, first, first) <= FAMILIES[kind].off
    for second in FAMILIES[kind].noiseless:
        worse = max(missed(kind, first, first), missed(kind, second, second))
        assert missed(kind, first, second) <= worse + 0.012, second
