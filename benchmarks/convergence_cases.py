"""What is known of every sampler, and how far from the truth it lands on a known mixture.

Runs without noise go over levels that are even in log sigma, from HIGH to LOW. The last is not
zero: the step down to no noise at all is of order 1 in every sampler, and would hide what the
others do. Runs with noise end without any.
"""

import math
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

import engine.schedulers
from engine.schedulers import SCHEDULERS, Scheduler, scheduler_named
from tests.schedulers.mixture import MIXTURE, noise_at, walk

__all__ = [
    "EXACT",
    "JUMPS",
    "NOISY",
    "Case",
    "deviation",
    "error",
    "error_of_type",
    "landing",
    "slope",
]

HIGH, LOW, LAST = 40.0, 0.1, 0.02
POINTS = 64

PLAIN: dict[str, Any] = {
    "clip_sample": False,
    "clip_denoised": False,
    "final_sigmas_type": "sigma_min",
    "lower_order_final": False,
}
"""Settings, for classes that have them, which leave a rule as its paper states it."""


STABLE_DIFFUSION: dict[str, Any] = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


@dataclass(frozen=True)
class Case:
    """A sampler as it is measured.

    name: in the registry. order: of its error. settings: beside those of the
    registry; options: of `step`. says: what its model predicts, where that is no prediction type.
    own: over the levels of its own `set_timesteps`. ahead: its model is told where a step ends.
    block: runs are whole blocks of so many steps.
    """

    name: str
    order: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    says: str = ""
    own: bool = False
    ahead: bool = False
    block: int = 1

    @property
    def kind(self) -> type[Scheduler]:
        """Its class."""
        return getattr(engine.schedulers, SCHEDULERS[self.name][0])

    def scheduler(self) -> Scheduler:
        """With those of `PLAIN` that its class has."""
        plain = {key: value for key, value in PLAIN.items() if key in self.kind.keys}
        return self.kind(**(plain | SCHEDULERS[self.name][1] | self.settings))


def betas(sigmas: Any) -> list[float]:
    """Of a training table with these noise levels, ascending."""
    alphas = 1 / (1 + sigmas**2)
    return (1 - alphas / np.append(1.0, alphas[:-1])).tolist()


EVEN = {"trained_betas": betas(np.geomspace(LOW, HIGH, 1000)), "set_alpha_to_one": False}
"""Timesteps that are even in log sigma: for classes that choose levels among them."""

EXACT: dict[str, Case] = {
    "DDIM": Case("DDIM", 1),
    "Euler": Case("Euler", 1),
    "TCD, gamma 0": Case("TCD", 1, options={"eta": 0.0}),
    "EDM Euler": Case("EDM Euler", 1, says="edm"),
    "Flow Euler": Case("Flow Euler", 1, own=True),
    "DDIM inverse": Case("DDIM inverse", 1, EVEN, own=True, ahead=True),
    "PNDM": Case("PNDM", 2),
    "PNDM, Runge-Kutta": Case("PNDM", 2, {"skip_prk_steps": False, **EVEN}, own=True),
    "iPNDM": Case("iPNDM", 2),
    "Heun": Case("Heun", 2),
    "DPM2": Case("DPM2", 2),
    "DPM solver": Case("DPM solver", 2),
    "DPM++ 2S": Case("DPM++ 2S", 2),
    "DPM++ 2M": Case("DPM++ 2M", 2),
    "DPM++ 3M": Case("DPM++ 3M", 2),
    "EDM DPM++ 2M": Case("EDM DPM++ 2M", 2, says="edm"),
    "DEIS": Case("DEIS", 2),
    "SA-Solver, tau 0": Case("SA-Solver", 2, {"tau_func": lambda t: 0.0}),
    "Flow Heun": Case("Flow Heun", 2, own=True),
    "DPM++ 2S, order 3": Case("DPM++ 2S", 3, {"solver_order": 3}, block=3),
    "DEIS, order 3": Case("DEIS", 3, {"solver_order": 3}),
    "UniPC": Case("UniPC", 3),
    "UniPC, order 3": Case("UniPC", 4, {"solver_order": 3}),
    "LMS": Case("LMS", 4),
}
"""Samplers that draw no noise, by what the table calls them."""

NOISY: dict[str, Case] = {
    "DDIM, eta 1": Case("DDIM", 1, options={"eta": 1.0}),
    "DDPM": Case("DDPM", 1),
    "Euler, churn 20": Case("Euler", 1, options={"s_churn": 20.0}),
    "Euler a": Case("Euler a", 1),
    "DPM2 a": Case("DPM2 a", 2),
    "DPM++ SDE": Case("DPM++ SDE", 2),
    "DPM++ 2M SDE": Case("DPM++ 2M SDE", 2),
    "DPM++ 2M SDE Heun": Case("DPM++ 2M SDE Heun", 2),
    "DPM++ 3M SDE": Case("DPM++ 3M SDE", 2),
    "SA-Solver": Case("SA-Solver", 2),
}
"""Samplers that draw noise."""

FINE = {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
"""A table that begins at 0.01: TCD ends there, and not without noise."""

JUMPS: dict[str, Case] = {
    "LCM": Case("LCM"),
    "TCD, gamma 1": Case("TCD", settings=FINE, options={"eta": 1.0}),
    "Consistency": Case("Consistency", says="consistency"),
}
"""Samplers for models that say at once where the flow ends."""


@cache
def start_and_end(first: float, last: float) -> tuple[Tensor, Tensor]:
    """Points (POINTS, 2) at a level, and where the probability-flow equation takes them."""
    x = noise_at(first, POINTS)
    return x, MIXTURE.flow(x, first, last)


def distance(scheduler: Scheduler, case: Case) -> float:
    """Root mean square of how far off samples of unit variance end, of a schedule that is set."""
    last = scheduler.points[-1].next_sigma
    x, end = start_and_end(scheduler.points[0].sigma, last)
    landed = walk(scheduler, x, MIXTURE.believe, case.says, case.ahead, **case.options)
    return float((landed - end).square().mean().sqrt()) / (1 + last**2) ** 0.5


def error(case: Case, steps: int) -> float:
    """`distance` of a sampler without noise, over the common levels or its own."""
    scheduler = case.scheduler()
    if case.own:
        scheduler.set_timesteps(steps)
    else:
        scheduler.set_timesteps(sigmas=np.geomspace(HIGH, LOW, steps + 1).tolist())
    return distance(scheduler, case)


def error_of_type(name: str, schedule_type: str, steps: int) -> float:
    """`distance` of a sampler as it comes, on the noise levels of Stable Diffusion, to none."""
    scheduler = scheduler_named(name, STABLE_DIFFUSION, schedule_type)
    scheduler.set_timesteps(steps)
    return distance(scheduler, Case(name))


def slope(case: Case, few: int, many: int) -> float:
    """Of log error over log steps, between two numbers of steps."""
    few, many = few - few % case.block, many - many % case.block
    return math.log(error(case, few) / error(case, many)) / math.log(many / few)


def deviation(case: Case, steps: int, count: int) -> float:
    """How far the moments of so many points are off, in standard deviations, with noise."""
    scheduler = case.scheduler()
    scheduler.set_timesteps(sigmas=[*np.geomspace(HIGH, LAST, steps).tolist(), 0.0])
    generator = torch.Generator().manual_seed(2)
    options = {"generator": generator, **case.options}
    x = walk(scheduler, noise_at(HIGH, count), MIXTURE.believe, case.says, **options)
    return MIXTURE.deviation(x)


def landing(case: Case, steps: int, count: int) -> float:
    """The same, for a model that jumps to where the flow ends, over the sampler's own levels."""
    scheduler = case.scheduler()
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(2)
    options = {"generator": generator, **case.options}
    start = noise_at(scheduler.point(scheduler.timesteps[0]).sigma, count)
    return MIXTURE.deviation(walk(scheduler, start, MIXTURE.jump, case.says, **options))
