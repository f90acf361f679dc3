"""Depth to image: the pictures of diffusers, by estimated depth and by given."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine import DiffusionPipeline, StableDiffusionDepth2ImgPipeline
from engine.errors import EngineError
from engine.pipelines import Control
from tests.compare import relative_error
from tests.pipelines.drain import drain
from tests.pipelines.parity import array, oracle_of, painting, parity, seeded, set_scheduler
from tests.schedulers.oracle import QUIET

pytestmark = QUIET

PICTURE, PAIR = painting(), [painting(), painting(seed=1)]
RAMP = np.add.outer(np.arange(40.0), 2 * np.arange(30.0)).astype(np.float32)
CALLS: dict[str, dict[str, Any]] = {
    "estimated": {},
    "no guidance": {"guidance_scale": 1.0},
    "two of one": {"num_images_per_prompt": 2},
    "two pictures": {"prompt": ["a", "b"], "image": PAIR},
    "odd size": {"image": painting(70, 47)},
    "given": {"depth_map": torch.from_numpy(RAMP)[None]},
    "given for two": {"depth_map": torch.from_numpy(RAMP)[None], "num_images_per_prompt": 2},
    "all of the noise": {"strength": 1.0},
}


@pytest.fixture(scope="module")
def pipeline(tiny_depth_checkpoint: Path) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_depth_checkpoint)


@pytest.fixture(scope="module")
def oracle(pipeline: Any) -> Any:
    assert type(pipeline) is StableDiffusionDepth2ImgPipeline
    return oracle_of(pipeline)


@pytest.mark.parametrize("scheduler", ["DDIM", "Euler a", "DPM++ 2M", "PNDM"])
@pytest.mark.parametrize("name", CALLS)
def test_same_picture_as_diffusers(name: str, scheduler: str, pipeline: Any, oracle: Any) -> None:
    set_scheduler(scheduler, pipeline, oracle)
    call = {"prompt": "a", "image": PICTURE, "num_inference_steps": 4} | CALLS[name]
    count = 2 if "two" in name else 1
    for draw in (seeded, partial(seeded, count)):
        assert parity(pipeline, oracle, draw, **call) <= 1e-4


def test_the_estimator_sees_numbers_as_pictures(pipeline: Any) -> None:
    """diffusers would scale them to 0..1 a second time."""
    expected = pipeline.estimate(PICTURE)
    assert expected.shape == (1, 1, 64, 64)
    pixels = array([PICTURE])
    for value in (pixels.numpy(), pixels.movedim(-1, 1), [PICTURE.convert("RGBA")]):
        assert relative_error(pipeline.estimate(value), expected) <= 1e-5


def test_a_given_map_is_used_as_it_is(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("the estimator was called")

    monkeypatch.setattr(pipeline.depth_estimator, "forward", refuse)
    sixteen = Image.fromarray((RAMP * 600).astype(np.uint16))
    call = {"num_inference_steps": 3, "output_type": "np"}
    maps: list[Any] = [RAMP, [RAMP], torch.from_numpy(RAMP), sixteen, [sixteen], RAMP * 7 + 3]
    found = [
        array(pipeline("a", PICTURE, one, generator=seeded(), **call).images)
        for one in (*maps, -RAMP)
    ]
    for picture in found[1:-1]:
        assert relative_error(picture, found[0]) <= 1e-3
    assert relative_error(found[-1], found[0]) > 1e-2


def test_steps_and_changes_on_the_way(pipeline: Any) -> None:
    set_scheduler("Euler", pipeline)
    control = Control()
    run = pipeline.stream("a", PICTURE, RAMP, 0.5, 8, control=control)
    assert next(run).total == 4
    control.change(scheduler="Heun", guidance_scale=1.0)
    seen, output = drain(run)
    assert [one.refused for one in seen[0].taken] == [""] and seen[-1].total == 4
    assert output.images[0].size == (64, 64) and pipeline.preview(seen[-1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"depth_map": np.ones((8, 8))}, "the depth is the same everywhere"),
        ({"depth_map": Image.new("L", (8, 8), 7)}, "the depth is the same everywhere"),
        ({"depth_map": np.where(RAMP > 3, np.nan, RAMP)}, "depth_map has values that are not num"),
        ({"depth_map": "near.png"}, "depth_map is a str"),
        ({"depth_map": np.ones((2, 3, 8, 8))}, "depth_map has the shape"),
        ({"depth_map": np.stack([RAMP, RAMP])}, "depth_map has 2 entries for 1 prompts"),
        ({"image": None}, "image is nothing"),
        ({"image": torch.zeros(1, 4, 16, 16)}, "image has 4 channels"),
        ({"strength": 0.1}, "leaves none of 4 steps"),
    ],
)
def test_bad_calls_name_the_argument(call: dict[str, Any], words: str, pipeline: Any) -> None:
    with pytest.raises(EngineError) as caught:
        pipeline(**{"prompt": "a", "image": PICTURE, "num_inference_steps": 4} | call)
    assert words in str(caught.value)


def test_without_an_estimator(tiny_depth_checkpoint: Path) -> None:
    pipeline = DiffusionPipeline.from_pretrained(tiny_depth_checkpoint, depth_estimator=None)
    with pytest.raises(EngineError, match="has no depth_estimator and feature_extractor: give a"):
        pipeline("a", PICTURE)
    assert pipeline("a", PICTURE, RAMP, num_inference_steps=2).images[0].size == (64, 64)
