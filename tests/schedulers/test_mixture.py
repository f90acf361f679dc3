"""Samplers against what is known of a mixture, with no other implementation to compare with."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from benchmarks.convergence_cases import EXACT, JUMPS, NOISY, deviation, error, landing, slope
from engine.schedulers import SCHEDULERS
from engine.schedulers.points import PREDICTIONS
from tests.compare import relative_error
from tests.schedulers.mixture import ANSWERS, MIXTURE, noise_at

COUNT = 8000
CHANCE = 4.5 / COUNT**0.5
"""So many standard errors of a moment: of a hundred, one is beyond them in 1,500 tests."""

SETTABLE = [
    label for label, case in EXACT.items() if "prediction_type" in case.kind.keys and not case.says
]
MOVED = {"PNDM", "DDIM inverse"}
"""Classes that use what the model says of one level at another: it matters what it says then."""


def test_eps_is_the_slope_of_the_density() -> None:
    """Tweedie's formula, by automatic differentiation of the density itself."""
    x = noise_at(0.7, 50).requires_grad_()
    (score,) = torch.autograd.grad(MIXTURE.log_densities(x, 0.7).logsumexp(1).sum(), x)
    x0, eps = MIXTURE.believe(x.detach(), 0.7)
    assert relative_error(eps, -0.7 * score) <= 1e-12
    assert relative_error(x0 + 0.7 * eps, x.detach()) <= 1e-12


def test_x0_is_the_mean_of_what_can_lie_behind() -> None:
    """Points of the mixture, weighed by how likely each is to have become x."""
    x, sigma = torch.tensor([[0.4, -0.3]], dtype=torch.float64), 0.8
    points = MIXTURE.draw(200_000, 0)
    weights = (-0.5 * ((x - points) ** 2).sum(1) / sigma**2).softmax(0)
    assert relative_error(weights @ points, MIXTURE.believe(x, sigma)[0][0]) <= 0.01


def test_the_flow_is_that_of_a_plain_method_in_many_steps() -> None:
    """Of Heun's in 1,000 and 2,000 steps, and what Richardson's extrapolation makes of the two."""
    x = noise_at(40.0, 8)

    def heun(steps: int) -> torch.Tensor:
        y, lattice = x, np.geomspace(40.0, 0.1, steps + 1).tolist()
        for a, b in pairwise(lattice):
            first = MIXTURE.believe(y, a)[1]
            second = MIXTURE.believe(y + (b - a) * first, b)[1]
            y = y + (b - a) / 2 * (first + second)
        return y

    coarse, fine = heun(1000), heun(2000)
    assert relative_error((4 * fine - coarse) / 3, MIXTURE.flow(x, 40.0, 0.1)) <= 1e-8


def test_the_flow_lands_on_the_mixture_and_is_undone_by_its_reverse() -> None:
    x = noise_at(40.0, COUNT)
    end, _ = MIXTURE.jump(x, 40.0)
    assert MIXTURE.deviation(end) <= CHANCE
    assert relative_error(MIXTURE.flow(end[:50], 0.0, 40.0), x[:50]) <= 1e-4


def test_moments_are_those_of_drawn_points() -> None:
    points = MIXTURE.draw(COUNT, 0)
    assert MIXTURE.deviation(points) <= CHANCE
    assert MIXTURE.deviation(1.1 * points) > 2 * CHANCE
    assert not MIXTURE.deviation(points * math.nan) <= CHANCE


def test_every_sampler_is_measured() -> None:
    cases = (*EXACT.values(), *NOISY.values(), *JUMPS.values())
    assert {case.name for case in cases} == SCHEDULERS.keys()
    assert PREDICTIONS.keys() <= ANSWERS.keys()


@pytest.mark.parametrize("label", EXACT)
def test_the_error_falls_at_the_stated_order(label: str) -> None:
    """By the slope of log error over log steps: nearly so all the way, and at its end."""
    case = EXACT[label]
    assert slope(case, 10, 100) >= 0.8 * case.order
    assert abs(slope(case, 50, 100) - case.order) <= 0.4
    assert error(case, 100) <= 0.04


@pytest.mark.parametrize("prediction_type", ["sample", "v_prediction"])
@pytest.mark.parametrize("label", SETTABLE)
def test_it_does_not_matter_what_the_model_predicts(label: str, prediction_type: str) -> None:
    case = EXACT[label]
    other = replace(case, settings=case.settings | {"prediction_type": prediction_type})
    if case.name in MOVED:
        assert slope(other, 10, 100) >= 0.8
    else:
        assert error(other, 10) == pytest.approx(error(case, 10), rel=1e-6)


@pytest.mark.parametrize("label", NOISY)
def test_noisy_samplers_match_the_moments(label: str) -> None:
    """Beside chance, of order 1 they may still be off by 0.06 standard deviations, else 0.01."""
    case = NOISY[label]
    off = 0.06 if case.order == 1 else 0.01
    assert deviation(case, 100, COUNT) <= CHANCE + off


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("label", JUMPS)
def test_jumps_match_the_moments_in_any_number_of_steps(label: str, steps: int) -> None:
    assert landing(JUMPS[label], steps, 2000) <= 4.5 / 2000**0.5
