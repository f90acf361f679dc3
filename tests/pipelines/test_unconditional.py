"""Unconditional pictures: those of diffusers, and the same again."""

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import engine.models
import engine.pipelines
from engine import DiffusionPipeline
from engine.errors import EngineError, RequestError, RunCancelled
from engine.pipelines import Control, Request
from engine.pipelines.tasks import TASKS
from tests.compare import relative_error
from tests.pipelines.drain import drain
from tests.samplers import SAMPLERS

CLASSES = tuple(TASKS["unconditional"].values())
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddpm": ("DDPMPipeline", {}),
    "ddpm batch": ("DDPMPipeline", {"batch_size": 3}),
    "ddpm long": ("DDPMPipeline", {"num_inference_steps": 50}),
    "ddim": ("DDIMPipeline", {}),
    "ddim eta": ("DDIMPipeline", {"batch_size": 2, "eta": 0.5}),
    "ddim clipped": ("DDIMPipeline", {"eta": 1.0, "use_clipped_model_output": True}),
    "pndm batch": ("PNDMPipeline", {"batch_size": 2}),
}
ASKED = Request("tiny-ddpm", task="unconditional", steps=6, seed=11)


@pytest.fixture
def pipeline(tiny_ddpm_checkpoint: Path) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_ddpm_checkpoint)


@pytest.fixture(scope="module")
def oracle(tiny_ddpm_checkpoint: Path) -> Any:
    """What diffusers' pipelines are made of."""
    return {
        "unet": diffusers.UNet2DModel.from_pretrained(tiny_ddpm_checkpoint),
        "scheduler": diffusers.DDPMScheduler.from_pretrained(tiny_ddpm_checkpoint),
    }


def array(pipeline: Any, **call: Any) -> torch.Tensor:
    settings = {"num_inference_steps": 8, "output_type": "np"} | call
    return torch.from_numpy(np.asarray(pipeline(**settings).images))


@pytest.mark.parametrize("generators", ["one", "each", "global"])
@pytest.mark.parametrize("name", CALLS)
def test_same_picture_as_diffusers(name: str, generators: str, pipeline: Any, oracle: Any) -> None:
    cls, call = CALLS[name]
    ours = getattr(engine.pipelines, cls)(**pipeline.components)
    theirs = getattr(diffusers, cls)(**oracle)
    theirs.set_progress_bar_config(disable=True)
    assert type(ours.scheduler).__name__ == type(theirs.scheduler).__name__
    seen = []
    for pipe in (ours, theirs):
        torch.manual_seed(7)
        seeds = range(call.get("batch_size", 1)) if generators == "each" else [7]
        seeded: Any = [torch.Generator().manual_seed(seed) for seed in seeds]
        seeded = {"one": seeded[0], "each": seeded, "global": None}[generators]
        seen.append(array(pipe, generator=seeded, **call))
    assert relative_error(*seen) <= 1e-4
    assert seen[0].std() > 0.1


@pytest.mark.parametrize("cls", CLASSES)
def test_a_call_is_that_of_diffusers(cls: str) -> None:
    """The same arguments and defaults in the same order, and the control after them."""
    ours = inspect.signature(getattr(engine.pipelines, cls).stream).parameters
    theirs = inspect.signature(getattr(diffusers, cls).__call__).parameters
    expected = [(p.name, p.default) for p in theirs.values() if p.kind is not p.VAR_KEYWORD]
    assert [(p.name, p.default) for p in ours.values()] == [*expected, ("control", None)]


@pytest.mark.parametrize("cls", CLASSES)
def test_pictures_and_a_plain_tuple(cls: str, pipeline: Any, oracle: Any) -> None:
    theirs = getattr(diffusers, cls)(**oracle)
    theirs.set_progress_bar_config(disable=True)
    seen = []
    for pipe in (getattr(engine.pipelines, cls)(**pipeline.components), theirs):
        generator = torch.Generator().manual_seed(0)
        (images,) = pipe(generator=generator, num_inference_steps=5, return_dict=False)
        seen.append(np.asarray(images[0]).astype(int))
    assert seen[0].shape == (16, 16, 3)
    assert abs(seen[0] - seen[1]).max() <= 1


@pytest.mark.parametrize("scheduler", ["", *SAMPLERS])
def test_image_of_a_batch_is_the_image_alone(scheduler: str, pipeline: Any) -> None:
    asked = replace(ASKED, scheduler=scheduler)
    together = drain(pipeline.stream_request(replace(asked, count=3)))[1].images
    for index in range(3):
        one = drain(pipeline.stream_request(replace(asked, seed=11 + index)))[1].images[0]
        alone, in_batch = (np.asarray(image, np.int16) for image in (one, together[index]))
        assert abs(alone - in_batch).max() <= 1
        assert alone.std() > 1


@pytest.mark.parametrize("scheduler", SAMPLERS)
def test_stream_shows_noise_that_becomes_the_picture(scheduler: str, pipeline: Any) -> None:
    run = pipeline.stream_request(replace(ASKED, scheduler=scheduler, count=2, steps=10))
    films, previews = [], []
    while True:
        try:
            progress = next(run)
        except StopIteration as stop:
            images = stop.value.images
            break
        assert progress.latents.shape == progress.x0.shape == (2, 3, 16, 16)
        films.append(pipeline.film(progress))
        previews.append(pipeline.preview(progress))
    assert {image.size for shown in (*films, *previews) for image in shown} == {(16, 16)}
    assert [image.tobytes() for image in films[-1]] == [image.tobytes() for image in images]
    # of about unit variance, whatever the scheduler's scale: a third or more is between the ends
    first = np.asarray(films[0][0])
    assert np.mean((first > 0) & (first < 255)) > 0.25


def test_same_seed_twice_is_the_same_bytes(pipeline: Any) -> None:
    first, second, other = (
        drain(pipeline.stream_request(replace(ASKED, seed=seed)))[1].images[0].tobytes()
        for seed in (5, 5, 6)
    )
    assert first == second != other


def test_a_model_of_another_shape(pipeline: Any) -> None:
    unet = engine.models.UNet2DModel.from_config(pipeline.unet.config, sample_size=[8, 24])
    unet.load_state_dict(pipeline.unet.state_dict())
    pipe = engine.pipelines.DDPMPipeline(unet, pipeline.scheduler)
    assert pipe(num_inference_steps=2).images[0].size == (24, 8)
    drain(pipe.stream_request(replace(ASKED, width=24, height=8)))


def test_saved_here_loads_there(pipeline: Any, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    theirs = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    theirs.set_progress_bar_config(disable=True)
    assert type(theirs).__name__ == "DDPMPipeline"
    ours, there = (
        array(pipe, generator=torch.Generator().manual_seed(1))
        for pipe in (DiffusionPipeline.from_pretrained(tmp_path), theirs)
    )
    assert relative_error(ours, there) <= 1e-4


def test_cancel_ends_before_the_next_step(pipeline: Any) -> None:
    control = Control()
    run = pipeline.stream_request(ASKED, control)
    next(run), next(run)
    control.cancel()
    with pytest.raises(RunCancelled) as caught:
        next(run)
    assert caught.value.step == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": "2"}, "batch_size is '2': a whole number, 1 or more"),
        ({"num_inference_steps": 0}, "num_inference_steps is 0"),
        ({"num_inference_steps": 1001}, "1001"),
        ({"output_type": "latent"}, "output_type is 'latent'"),
        ({"generator": [torch.Generator()] * 2}, "generator has 2 entries for 1 images"),
    ],
)
def test_bad_calls_name_the_argument(call: dict[str, Any], words: str, pipeline: Any) -> None:
    with pytest.raises(EngineError) as caught:
        pipeline(**call)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 32}, "width is 32: this model draws pictures of 16 x 16 pixels only"),
        ({"height": 8}, "height is 8"),
        ({"prompt": "a cat"}, "prompt is 'a cat'"),
        ({"negative_prompt": "a dog"}, "negative_prompt is 'a dog'"),
        ({"task": "text-to-image", "prompt": "a"}, "a DDPMPipeline does: unconditional"),
    ],
)
def test_bad_requests_name_the_field(change: dict[str, Any], words: str, pipeline: Any) -> None:
    with pytest.raises(RequestError) as caught:
        pipeline.stream_request(replace(ASKED, **change))
    assert words in str(caught.value)


def test_a_model_without_a_size(pipeline: Any) -> None:
    unet = engine.models.UNet2DModel.from_config(pipeline.unet.config, sample_size=None)
    with pytest.raises(RequestError, match="no sample_size"):
        engine.pipelines.DDPMPipeline(unet, pipeline.scheduler)(num_inference_steps=1)
