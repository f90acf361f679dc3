"""The distance between sets of pictures."""

import pytest
import torch

from benchmarks.frechet import features, frechet_distance, held_out, noise
from training.judge import JUDGE, Judge


def test_distance_of_gaussians_is_that_of_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(200_000, 3, generator=generator)
    other = 2 * torch.randn(200_000, 3, generator=generator) + torch.tensor([1.0, 0.0, 0.0])
    # means differ by 1; deviations by 1 along each of three axes
    assert frechet_distance(one, other) == pytest.approx(1 + 3 * (2 - 1) ** 2, rel=0.02)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)


def test_renders_are_nearer_to_each_other_than_blurred_ones_and_those_than_noise() -> None:
    judge = Judge.from_pretrained(JUDGE)
    wanted = features(judge, held_out(60, seed=0))
    others = held_out(60, seed=1)
    blurred = torch.nn.functional.avg_pool2d(others, 9, 1, 4)
    distances = [
        frechet_distance(features(judge, pictures), wanted)
        for pictures in (others, blurred, noise(60))
    ]
    assert distances[0] < distances[1] < distances[2]
