"""Text to image: the picture of diffusers, and the same picture again."""

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from engine import DiffusionPipeline
from engine.errors import EngineError, RequestError, RunCancelled
from engine.pipelines import Control, Request
from engine.schedulers.registry import SCHEDULERS, scheduler_named
from tests.compare import relative_error
from tests.pipelines.drain import drain
from tests.samplers import SAMPLERS

CALLS: dict[str, dict[str, Any]] = {
    "plain": {"prompt": "a red ball"},
    "negative prompt": {"prompt": "a red ball", "negative_prompt": "blue", "guidance_scale": 3.0},
    "no guidance": {"prompt": "a red ball", "guidance_scale": 1.0},
    "batch": {"prompt": ["a", "b"], "negative_prompt": ["c", "d"], "num_images_per_prompt": 2},
    "other size": {"prompt": "a", "height": 48, "width": 80},
    "too long": {"prompt": "word " * 50},
}


@pytest.fixture
def pipeline(tiny_checkpoint: Path) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def oracle(tiny_checkpoint: Path) -> Any:
    loaded = diffusers.StableDiffusionPipeline.from_pretrained(tiny_checkpoint)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def array(pipeline: Any, **call: Any) -> torch.Tensor:
    images = pipeline(num_inference_steps=4, output_type="np", **call).images
    return torch.from_numpy(np.asarray(images))


# its Brownian motion is our own
PAIRS = [("plain", name) for name in SAMPLERS if name != "DPM++ SDE"]
PAIRS += [(call, "Euler") for call in CALLS if call != "plain"]


@pytest.mark.parametrize(("name", "scheduler"), PAIRS)
def test_same_picture_as_diffusers(
    name: str, scheduler: str, pipeline: Any, oracle: Any, tiny_checkpoint: Path
) -> None:
    config = diffusers.DDIMScheduler.from_pretrained(tiny_checkpoint / "scheduler").config
    pipeline.scheduler = scheduler_named(scheduler, pipeline.scheduler.config)
    kind, overrides = SCHEDULERS[scheduler]
    oracle.scheduler = getattr(diffusers, kind).from_config(config, **overrides)
    seeded = [torch.Generator().manual_seed(7) for _ in range(2)]
    ours = array(pipeline, generator=seeded[0], **CALLS[name])
    assert relative_error(ours, array(oracle, generator=seeded[1], **CALLS[name])) <= 1e-4


def test_eta_draws_as_diffusers_does(pipeline: Any, oracle: Any) -> None:
    oracle.scheduler = diffusers.DDIMScheduler.from_config(oracle.scheduler.config)
    call: dict[str, Any] = {"prompt": "a", "eta": 0.7}
    ours, theirs = (
        array(pipe, generator=torch.Generator().manual_seed(3), **call)
        for pipe in (pipeline, oracle)
    )
    assert relative_error(ours, theirs) <= 1e-4


def test_saved_here_loads_there(pipeline: Any, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    theirs = diffusers.DiffusionPipeline.from_pretrained(tmp_path, safety_checker=None)
    theirs.set_progress_bar_config(disable=True)
    assert type(theirs).__name__ == "StableDiffusionPipeline"
    ours, there = (
        array(pipe, prompt="a red ball", generator=torch.Generator().manual_seed(1))
        for pipe in (DiffusionPipeline.from_pretrained(tmp_path), theirs)
    )
    assert relative_error(ours, there) <= 1e-4


def test_stream_tells_each_step_and_returns_the_pictures(pipeline: Any) -> None:
    run = pipeline.stream("a", num_inference_steps=3, generator=torch.Generator().manual_seed(0))
    seen, output = drain(run)
    assert [(p.step, p.total) for p in seen] == [(1, 3), (2, 3), (3, 3)]
    assert [p.timestep for p in seen] == pipeline.scheduler.timesteps.tolist()
    assert all(p.x0.shape == p.latents.shape == (1, 4, 16, 16) for p in seen)
    assert all(torch.isfinite(p.x0).all() for p in seen)
    assert output.images[0].size == (64, 64)


def test_image_of_a_batch_is_the_image_alone(pipeline: Any) -> None:
    request = Request("tiny", "a red ball", steps=4, seed=11, count=3, scheduler="Euler")
    together = drain(pipeline.stream_request(request))[1].images
    for index in range(3):
        alone = Request("tiny", "a red ball", steps=4, seed=11 + index, scheduler="Euler")
        image = drain(pipeline.stream_request(alone))[1].images[0]
        difference = np.asarray(image, np.int16) - np.asarray(together[index], np.int16)
        assert np.abs(difference).max() <= 1
        assert np.asarray(image).std() > 0


def test_same_seed_twice_is_the_same_bytes(pipeline: Any) -> None:
    request = Request("tiny", "a", steps=3, seed=5)
    first, second = (drain(pipeline.stream_request(request))[1].images[0] for _ in range(2))
    assert first.tobytes() == second.tobytes()
    other = drain(pipeline.stream_request(Request("tiny", "a", steps=3, seed=6)))[1].images[0]
    assert first.tobytes() != other.tobytes()


def test_cancel_ends_before_the_next_step(pipeline: Any) -> None:
    control = Control()
    run = pipeline.stream("a", num_inference_steps=10, control=control)
    next(run), next(run)
    control.cancel()
    with pytest.raises(RunCancelled) as caught:
        next(run)
    assert caught.value.step == 2


def test_swapping_the_scheduler_keeps_the_weights(pipeline: Any) -> None:
    before = {name: id(part) for name, part in pipeline.components.items() if name != "scheduler"}
    array(pipeline, prompt="a")
    pipeline.scheduler = scheduler_named("Euler", pipeline.scheduler.config)
    array(pipeline, prompt="a")
    after = {name: id(part) for name, part in pipeline.components.items() if name != "scheduler"}
    assert before == after


def test_repr_is_the_index_as_json(pipeline: Any) -> None:
    text = repr(pipeline)
    assert text.startswith("StableDiffusionPipeline {")
    assert '"UNet2DConditionModel"' in text


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": "a", "height": 60}, "height is 60"),
        ({"prompt": "a", "width": 0}, "width is 0"),
        ({"prompt": "a", "width": 64.0}, "width is 64.0: a whole number, 8 or more"),
        ({"prompt": "a", "num_inference_steps": 0}, "num_inference_steps is 0"),
        ({"prompt": "a", "num_inference_steps": "5"}, "num_inference_steps is '5'"),
        ({"prompt": "a", "num_inference_steps": 5.0}, "num_inference_steps is 5.0"),
        ({"prompt": "a", "num_images_per_prompt": 0}, "num_images_per_prompt is 0"),
        ({"prompt": "a", "guidance_scale": "x"}, "guidance_scale is 'x': a number"),
        ({"prompt": "a", "guidance_scale": float("nan")}, "guidance_scale is nan"),
        ({"prompt": "a", "num_inference_steps": 1001}, "1001"),
        ({}, "prompt or prompt_embeds"),
        ({"prompt": ["a", "b"], "negative_prompt": ["a"]}, "negative_prompt has 1"),
        ({"prompt": "a", "generator": [torch.Generator()] * 2}, "generator has 2 entries"),
        ({"prompt": "a", "latents": torch.zeros(1, 4, 8, 8)}, "[1, 4, 16, 16]"),
        ({"prompt": "a", "output_type": "gif"}, "output_type is 'gif'"),
    ],
)
def test_bad_calls_name_the_argument(call: dict[str, Any], words: str, pipeline: Any) -> None:
    with pytest.raises(EngineError) as caught:
        pipeline(**call)
    assert words in str(caught.value)
    assert array(pipeline, prompt="a").isfinite().all()


def test_numbers_of_other_libraries(pipeline: Any) -> None:
    numbers = {"guidance_scale": np.float32(3), "height": np.int64(48), "width": torch.tensor(80)}
    images = pipeline("a", num_inference_steps=np.int32(2), **numbers).images
    assert images[0].size == (80, 48)


def test_a_model_that_is_not_square(pipeline: Any) -> None:
    unet = type(pipeline.unet).from_config(pipeline.unet.config, sample_size=[8, 16])
    unet.load_state_dict(pipeline.unet.state_dict())
    pipeline.unet = unet
    assert pipeline("a", num_inference_steps=2).images[0].size == (64, 32)


def test_values_that_are_not_numbers_are_no_picture(pipeline: Any) -> None:
    pipeline.vae.decoder.conv_out.bias.data.fill_(float("nan"))
    with pytest.raises(EngineError, match="float32"):
        pipeline("a", num_inference_steps=1)


def test_request_error_is_raised_before_anything_runs(pipeline: Any) -> None:
    with pytest.raises(RequestError, match="steps is 0"):
        pipeline.stream_request(Request("tiny", "a", steps=0))
