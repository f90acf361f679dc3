from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.noise import draw_first, draw_noise, seeded
from engine.pipelines import DiffusionPipeline
from engine.pipelines.request import Request
from tests.pipelines.drain import drain

ASKED = Request("tiny", "a red ball", steps=4, seed=11, scheduler="Euler")
SHAPE = (1, 4, 32, 32)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint: Path) -> DiffusionPipeline:
    return DiffusionPipeline.from_pretrained(tiny_checkpoint)


def draw(pipeline: DiffusionPipeline, request: Request) -> list[np.ndarray]:
    images = drain(pipeline.stream_request(request))[1].images
    return [np.asarray(image, dtype=int) for image in images]


def first(strength: float, seed: int = 1, other: int = 2) -> torch.Tensor:
    return draw_first(SHAPE, [seeded(seed, other, strength)], CPU)


def test_variation_leads_from_the_noise_of_one_seed_to_that_of_another() -> None:
    one, other = (draw_noise(SHAPE, seeded(seed), CPU) for seed in (1, 2))
    assert torch.equal(first(0), one)
    assert torch.allclose(first(1), other, atol=1e-6)
    for strength in (0.1, 0.5, 0.9):
        noise = first(strength)
        assert abs(noise.std() - 1) <= 0.02
        assert abs(noise.mean()) <= 0.05
        angle = torch.tensor(strength * torch.pi / 2)
        assert abs((noise * one).mean() - angle.cos()) <= 0.05
        assert abs((noise * other).mean() - angle.sin()) <= 0.05
    assert torch.equal(first(0.5, other=1), one)


def test_what_is_drawn_on_the_way_is_drawn_from_the_seed_alone() -> None:
    plain, varied = seeded(1), seeded(1, 2, 0.5)
    draw_first(SHAPE, plain, CPU)
    draw_first(SHAPE, varied, CPU)
    assert torch.equal(draw_noise(SHAPE, plain, CPU), draw_noise(SHAPE, varied, CPU))


def test_a_little_variation_makes_a_picture_that_is_near(pipeline: DiffusionPipeline) -> None:
    own, other = draw(pipeline, ASKED)[0], draw(pipeline, replace(ASKED, seed=12))[0]
    assert (draw(pipeline, replace(ASKED, variation_seed=12))[0] == own).all()
    near, far, end = (
        draw(pipeline, replace(ASKED, variation_seed=12, variation_strength=strength))[0]
        for strength in (0.1, 0.9, 1)
    )
    assert abs(end - other).max() <= 1
    assert 0 < abs(near - own).mean() < abs(far - own).mean()
    assert abs(far - other).mean() < abs(near - other).mean()


def test_variation_i_of_a_batch_is_that_of_variation_seed_i(pipeline: DiffusionPipeline) -> None:
    asked = replace(ASKED, variation_seed=20, variation_strength=0.3)
    together = draw(pipeline, replace(asked, count=3))
    for index, image in enumerate(together):
        alone = draw(pipeline, replace(asked, variation_seed=20 + index))[0]
        assert abs(image - alone).max() <= 1
    assert abs(together[0] - together[1]).max() > 1
