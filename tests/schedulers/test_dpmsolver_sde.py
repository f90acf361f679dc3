"""The Brownian path, and the scheduler that follows it."""

import itertools

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from engine.schedulers.dpmsolver_sde import BrownianPath, DPMSolverSDEScheduler
from tests.compare import relative_error
from tests.schedulers.oracle import noise, trajectory

LEVELS = (10.0, 7.0, 6.5, 3.0, 0.4, 0.1)
PAIRS = list(itertools.pairwise(LEVELS))
DRAWS = 100_000


def draws(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    path = BrownianPath()

    def drawn() -> Tensor:
        return torch.randn(DRAWS, generator=generator, dtype=torch.float64)

    return torch.stack([path.increment(a, b, drawn) for a, b in PAIRS])


def test_increments_are_normal_with_the_difference_of_levels_for_variance() -> None:
    for (start, end), w in zip(PAIRS, draws(), strict=True):
        unit = w / (start - end) ** 0.5
        moments = torch.stack([unit.mean(), unit.var(), (unit**3).mean(), (unit**4).mean()])
        # four standard errors of the fourth moment, the widest of them
        assert (moments - torch.tensor([0.0, 1.0, 0.0, 3.0])).abs().max() <= 4 * (96 / DRAWS) ** 0.5


def test_increments_over_levels_apart_are_independent() -> None:
    off = torch.corrcoef(draws()) - torch.eye(len(PAIRS))
    assert off.abs().max() <= 4 / DRAWS**0.5


def test_what_was_asked_before_is_the_same_again_and_adds_up() -> None:
    path = BrownianPath()

    def increment(start: float, end: float) -> Tensor:
        return path.increment(start, end, noise)

    near = increment(10.0, 7.0)
    far = increment(10.0, 3.0)
    assert torch.equal(increment(10.0, 7.0), near)
    assert relative_error(increment(7.0, 3.0), far - near) <= 1e-6
    assert torch.equal(increment(7.0, 3.0), increment(7.0, 3.0))


def test_the_noise_to_the_middle_of_a_step_is_part_of_that_of_the_step() -> None:
    """Of W over all of a step, the share over its first part has that part's variance."""
    path = BrownianPath()
    generator = torch.Generator().manual_seed(1)

    def drawn() -> Tensor:
        return torch.randn(DRAWS, generator=generator, dtype=torch.float64)

    first, whole = (path.increment(10.0, end, drawn) for end in (6.0, 2.0))
    covariance = torch.cov(torch.stack([first, whole]))
    expected = torch.tensor([[4.0, 4.0], [4.0, 8.0]], dtype=torch.float64)
    assert (covariance - expected).abs().max() <= 4 * (2 * 8.0**2 / DRAWS) ** 0.5


def test_the_path_only_goes_down() -> None:
    path = BrownianPath()
    path.increment(10.0, 3.0, noise)
    with pytest.raises(AssertionError, match=r"5\.0 lies between"):
        path.increment(10.0, 5.0, noise)


def run(seed: int | None, images: slice = slice(2), **options: object) -> Tensor:
    scheduler = DPMSolverSDEScheduler(noise_sampler_seed=seed)
    scheduler.set_timesteps(5)
    x = noise()[images]
    for t in scheduler.timesteps:
        x = scheduler.step(x, t, x, **options).prev_sample
    return x


def test_a_configured_seed_makes_the_noise() -> None:
    assert torch.equal(run(3), run(3))
    assert not torch.equal(run(3), run(4))
    assert torch.equal(run(3)[:1], run(3, slice(1)))  # the first image of a batch, alone
    assert torch.equal(run(3)[1:], run(4, slice(1, 2)))  # the next is made with the next seed
    torch.manual_seed(0)
    drawn = run(None)
    assert not torch.equal(drawn, run(None))


def test_the_configured_seed_begins_anew_with_every_run() -> None:
    scheduler = DPMSolverSDEScheduler(noise_sampler_seed=3)
    scheduler.set_timesteps(5)
    first = trajectory(scheduler)[0][-1]
    scheduler.set_timesteps(5)
    assert torch.equal(trajectory(scheduler)[0][-1], first)


def test_seeded_noise_does_not_wait_for_the_device() -> None:
    scheduler = DPMSolverSDEScheduler(noise_sampler_seed=3)
    with FakeTensorMode():
        scheduler.set_timesteps(3)
        x = torch.empty(2, 3, 2, 2)
        for t in scheduler.timesteps:
            x = scheduler.step(x, t, x).prev_sample
