"""Image to image: the pictures of diffusers, how many steps are made, what is refused."""

import inspect
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from engine import DiffusionPipeline, StableDiffusionImg2ImgPipeline
from engine.errors import EngineError
from engine.pipelines import Control
from engine.pipelines.limits import executed_steps
from tests.compare import relative_error
from tests.pipelines.drain import drain
from tests.pipelines.parity import array, oracle_of, painting, parity, seeded, set_scheduler
from tests.schedulers.oracle import QUIET

pytestmark = QUIET

SCHEDULERS = ("DDIM", "Euler", "Euler a", "DPM++ 2M", "Heun", "PNDM", "LMS", "UniPC", "DPM2")
PICTURE = painting()
PAIR = [painting(), painting(seed=1)]
TENSOR = array([PICTURE]).movedim(-1, 1)
CALLS: dict[str, dict[str, Any]] = {
    "no guidance": {"guidance_scale": 1.0},
    "negative prompt": {"negative_prompt": "blue"},
    "eta": {"eta": 0.7},
    "two of one": {"num_images_per_prompt": 2},
    "two prompts": {"prompt": ["a", "b"], "num_images_per_prompt": 2},
    "two pictures": {"prompt": ["a", "b"], "image": PAIR},
    "pictures of one prompt": {"image": PAIR, "num_images_per_prompt": 2},
    "odd size": {"image": painting(70, 47)},
    "array": {"image": array([PICTURE]).numpy()},
    "tensor": {"image": TENSOR},
    "tensor from -1": {"image": 2 * TENSOR - 1},
    "tensors": {"image": [TENSOR[0], TENSOR[0].flip(-1)], "prompt": ["a", "b"]},
    "odd tensor": {"image": TENSOR[..., 3:, 1:]},
    "latents": {"image": torch.randn(1, 4, 12, 16, generator=torch.Generator().manual_seed(1))},
    "embeddings": {"prompt": None, "prompt_embeds": torch.linspace(-1, 1, 384).view(1, 16, 24)},
}


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint: Path) -> Any:
    return StableDiffusionImg2ImgPipeline.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def oracle(pipeline: Any) -> Any:
    return oracle_of(pipeline)


@pytest.mark.parametrize("strength", [0.15, 0.5, 1.0])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_same_picture_from_mid_schedule(
    scheduler: str, strength: float, pipeline: Any, oracle: Any
) -> None:
    set_scheduler(scheduler, pipeline, oracle)
    call = {"prompt": "a", "image": PICTURE, "strength": strength, "num_inference_steps": 7}
    assert parity(pipeline, oracle, **call) <= 1e-4


@pytest.mark.parametrize("generators", [0, 1])
@pytest.mark.parametrize("name", CALLS)
def test_same_picture_as_diffusers(name: str, generators: int, pipeline: Any, oracle: Any) -> None:
    set_scheduler("DDIM" if name == "eta" else "Euler a", pipeline, oracle)
    call: dict[str, Any] = {"prompt": "a", "image": PICTURE, "strength": 0.6}
    call |= {"num_inference_steps": 5} | CALLS[name]
    texts = len(call["prompt"]) if isinstance(call["prompt"], list) else 1
    count = texts * call.get("num_images_per_prompt", 1)
    draw = partial(seeded, count * generators)
    assert parity(pipeline, oracle, draw, **call) <= 1e-4


def test_a_picture_goes_with_its_prompt(pipeline: Any) -> None:
    """diffusers would give two pictures in turn to two pictures of each prompt."""
    set_scheduler("Euler a", pipeline)
    call = {"strength": 0.5, "num_inference_steps": 4, "output_type": "np"}
    both = pipeline(["a", "b"], PAIR, num_images_per_prompt=2, generator=seeded(4), **call).images
    for index in range(4):
        generator = torch.Generator().manual_seed(index)
        alone = pipeline("ab"[index // 2], PAIR[index // 2], generator=generator, **call).images
        assert relative_error(array(both)[index : index + 1], array(alone)) <= 1e-4


@pytest.mark.parametrize("cls", ["Img2Img", "Inpaint", "Depth2Img"])
def test_a_call_is_that_of_diffusers(cls: str) -> None:
    """The same arguments and defaults in the same order, and the control after them."""
    import engine

    name = f"StableDiffusion{cls}Pipeline"
    left_out = ("timesteps", "sigmas", "ip_", "cross_attention", "clip_skip", "callback")
    theirs = inspect.signature(getattr(diffusers, name).__call__).parameters.values()
    known = [
        (p.name, p.default)
        for p in theirs
        if p.kind is not p.VAR_KEYWORD and not p.name.startswith(left_out)
    ]
    ours = inspect.signature(getattr(engine, name).stream).parameters.values()
    found = [(p.name, p.default) for p in ours if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert found == [*known, ("control", None)]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize(
    ("steps", "strength", "made"), [(10, 0.35, 3), (4, 1.0, 4), (50, 0.58, 28)]
)
def test_the_steps_that_are_made_are_told(
    scheduler: str, steps: int, strength: float, made: int, pipeline: Any
) -> None:
    set_scheduler(scheduler, pipeline)
    call = {"strength": strength, "num_inference_steps": steps, "guidance_scale": 1}
    seen, _ = drain(pipeline.stream("a", PICTURE.resize((16, 16)), **call))
    assert made == executed_steps(steps, strength)
    assert {progress.total for progress in seen} == {made}
    assert sorted({progress.step for progress in seen}) == list(range(1, made + 1))
    assert [progress.call for progress in seen] == list(range(1, seen[-1].calls + 1))
    assert seen[-1].whole


@pytest.mark.parametrize(
    "change",
    [
        {"scheduler": "Heun Karras"},
        {"scheduler": "DDIM", "guidance_scale": 1.0},
        {"steps": 20},
        {"steps": 4},
    ],
)
def test_changes_on_the_way(change: dict[str, Any], pipeline: Any) -> None:
    set_scheduler("Euler", pipeline)
    for before in (0, 2):
        control = Control()
        run = pipeline.stream(
            "a", PICTURE, 0.5, 12, control=control, generator=seeded(), output_type="np"
        )
        for _ in range(before):
            next(run)
        control.change(**change)
        seen, output = drain(run)
        assert [one.refused for one in seen[0].taken] == [""]
        assert (
            seen[-1].step == seen[-1].total == max(int(change.get("steps", 12) * 0.5), before + 1)
        )
        assert np.isfinite(output.images).all() and output.images.std() > 0.01


def test_a_change_that_leaves_no_step_is_refused(pipeline: Any) -> None:
    set_scheduler("Euler", pipeline)
    control = Control()
    run = pipeline.stream("a", PICTURE, 0.3, 10, control=control)
    control.change(steps=3)
    seen, _ = drain(run)
    assert "strength is 0.3, which leaves none of 3 steps" in seen[0].taken[0].refused
    assert seen[-1].total == 3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            {"strength": 0.05},
            "strength is 0.05, which leaves none of 10 steps: take a strength of 0.1",
        ),
        ({"strength": 0.0}, "leaves none of 10 steps"),
        ({"strength": 1.5}, "strength is 1.5: it must be from 0 to 1"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"image": None}, "image is nothing: give a Pillow picture"),
        ({"image": "cat.png"}, "image is a str"),
        ({"image": [PICTURE, TENSOR]}, "image is a Image"),
        ({"image": Image.new("RGB", (1, 1))}, "image is 1 x 1 pixels: 4 x 4 are the least"),
        ({"image": Image.new("L", (8000, 5001))}, "8000 x 5001 pixels, at most 40,000,000"),
        ({"image": PAIR}, "image has 2 entries for 1 prompts"),
        ({"image": TENSOR * 255}, "image has values from"),
        ({"image": TENSOR / 0}, "image has values from"),
        ({"image": torch.full((3, 8, 8), float("nan"))}, "image has values from nan to nan"),
        ({"image": TENSOR[:, :2]}, "image has 2 channels: 3 are needed"),
        ({"image": np.zeros((8, 8))}, "image has the shape [8, 8]: three channels, height and"),
        ({"image": Image.new("F", (8, 8))}, "mode F: convert it to RGB"),
        ({"prompt": ""}, "prompt is empty"),
        ({"generator": [torch.Generator()] * 2}, "2 generators for 1 images"),
        ({"output_type": "gif"}, "output_type is 'gif'"),
    ],
)
def test_bad_calls_name_the_argument(call: dict[str, Any], words: str, pipeline: Any) -> None:
    settings = {"prompt": "a", "image": PICTURE, "num_inference_steps": 10} | call
    with pytest.raises(EngineError) as caught:
        pipeline(**settings)
    assert words in str(caught.value)


def test_a_unet_for_another_task(tiny_inpaint_checkpoint: Path) -> None:
    pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(tiny_inpaint_checkpoint)
    with pytest.raises(EngineError, match="takes 4 channels, and this one takes 9, as for inpaint"):
        pipeline("a", PICTURE)
    again: Any = DiffusionPipeline.from_pretrained(tiny_inpaint_checkpoint)
    assert again.unet_channels() == (4, 9)
