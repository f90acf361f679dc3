"""SDXL: the pictures of diffusers for every task, kind of checkpoint and argument."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import engine
from engine import DiffusionPipeline
from engine.pipelines import Request
from tests.compare import relative_error
from tests.pipelines.drain import drain
from tests.pipelines.live import live
from tests.pipelines.parity import array, blob, oracle_of, painting, parity, seeded
from tests.schedulers.oracle import QUIET
from tests.xl import EMBEDDINGS, SCHEDULERS, draw, drawn, put

pytestmark = QUIET

PICTURE, MASK = painting(), blob((12, 20, 44, 52))
PAIR = [PICTURE, painting(seed=1)]
TASKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "text": ("StableDiffusionXLPipeline", "tiny_xl_checkpoint", {}),
    "picture": (
        "StableDiffusionXLImg2ImgPipeline",
        "tiny_xl_checkpoint",
        {"image": PICTURE, "strength": 0.6},
    ),
    "refiner": (
        "StableDiffusionXLImg2ImgPipeline",
        "tiny_xl_refiner_checkpoint",
        {"image": PICTURE, "strength": 0.6},
    ),
    "inpaint": (
        "StableDiffusionXLInpaintPipeline",
        "tiny_xl_checkpoint",
        {"image": PICTURE, "mask_image": MASK},
    ),
    "inpaint, 9 channels": (
        "StableDiffusionXLInpaintPipeline",
        "tiny_xl_inpaint_checkpoint",
        {"image": PICTURE, "mask_image": MASK},
    ),
}
"""What is done -> class, fixture of the checkpoint, arguments."""


SIZES: dict[str, Any] = {
    "original_size": (1024, 512),
    "crops_coords_top_left": (16, 100),
    "target_size": (96, 48),
}
NEGATIVE_SIZES: dict[str, Any] = {
    "negative_original_size": (256, 128),
    "negative_target_size": (64, 80),
}
TEXTS: dict[str, dict[str, Any]] = {
    "negative prompt": {"negative_prompt": "blue"},
    "the empty text as negative prompt": {"negative_prompt": ""},
    "no guidance": {"guidance_scale": 1.0},
    "two prompts": {"prompt": ["a", "b"], "negative_prompt": ["c", "d"]},
    "two of one": {"num_images_per_prompt": 2},
    "too long": {"prompt": "word " * 50},
    "sizes": SIZES,
    "one negative prompt, sizes": {"negative_prompt": "c", **SIZES},
}
CALLS: dict[str, dict[str, dict[str, Any]]] = {
    "text": {
        **TEXTS,
        "second prompt": {"prompt_2": "b"},
        "second prompts": {"prompt_2": "b", "negative_prompt": "c", "negative_prompt_2": "d"},
        "embeddings": EMBEDDINGS,
        "other size": {"height": 48, "width": 80},
        "noise given": {"latents": drawn(1, 4, 16, 16)},
        "negative sizes": {
            **SIZES,
            **NEGATIVE_SIZES,
            "negative_crops_coords_top_left": (3, 4),
        },
        "the first part": {"denoising_end": 0.6},
    },
    "picture": {
        **TEXTS,
        "two pictures": {"prompt": ["a", "b"], "image": PAIR},
        "other size": {"image": painting(70, 47)},
        "embeddings": EMBEDDINGS,
        "negative sizes": {**NEGATIVE_SIZES, "original_size": (1024, 512)},
        "the last part": {"denoising_start": 0.5},
        "the middle": {"denoising_start": 0.3, "denoising_end": 0.7},
        "the sample given": {"latents": drawn(1, 4, 16, 16)},
        "scores that count for nothing": {"aesthetic_score": 9.0},
    },
    "refiner": {
        **TEXTS,
        "scores": {"aesthetic_score": 7.5, "negative_aesthetic_score": 1.5},
        "negative sizes": {
            **SIZES,
            "negative_original_size": (256, 128),
            "negative_crops_coords_top_left": (3, 4),
        },
        "the last part": {"denoising_start": 0.8, "num_inference_steps": 20},
        "the last part of latents": {
            "denoising_start": 0.7,
            "image": drawn(1, 4, 12, 16),
            "num_inference_steps": 12,
        },
    },
    "inpaint": {
        **TEXTS,
        "noise alone": {"strength": 1.0},
        "part of the noise": {"strength": 0.6},
        "two pictures": {"prompt": ["a", "b"], "image": PAIR, "strength": 0.6},
        "other size": {"height": 48, "width": 80},
        "the last part": {"denoising_start": 0.5},
    },
    "inpaint, 9 channels": {
        **TEXTS,
        "noise alone": {"strength": 1.0},
        "part of the noise": {"strength": 0.6},
        "the last part": {"denoising_start": 0.5},
        "latents of what is outside": {"masked_image_latents": drawn(1, 4, 16, 16)},
    },
}


@pytest.fixture(scope="module", params=TASKS)
def task(request: pytest.FixtureRequest) -> tuple[str, Any, Any]:
    """What is done, our pipeline and diffusers'."""
    cls, checkpoint, _ = TASKS[request.param]
    pipeline = getattr(engine, cls).from_pretrained(request.getfixturevalue(checkpoint))
    return request.param, pipeline, oracle_of(pipeline)


@pytest.fixture
def pipeline(tiny_xl_checkpoint: Path) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_xl_checkpoint)


@pytest.fixture
def refiner(tiny_xl_refiner_checkpoint: Path) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_xl_refiner_checkpoint)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_same_picture_with_every_sampler(scheduler: str, task: tuple[str, Any, Any]) -> None:
    name, ours, theirs = task
    put(scheduler, ours, theirs)
    call = {"prompt": "a", "num_inference_steps": 6, **TASKS[name][2]}
    assert parity(ours, theirs, **call) <= 1e-4


@pytest.mark.parametrize(
    ("task", "name"),
    [(task, name) for task, calls in CALLS.items() for name in calls],
    indirect=["task"],
)
def test_same_picture_as_diffusers(task: tuple[str, Any, Any], name: str) -> None:
    what, ours, theirs = task
    put("Euler a of Turbo", ours, theirs)
    call = {"prompt": "a", "num_inference_steps": 5, **TASKS[what][2], **CALLS[what][name]}
    texts = len(call["prompt"]) if isinstance(call["prompt"], list) else 1
    # diffusers would encode the one picture with the first generator for all
    each = 0 if what.startswith("inpaint") else texts * call.get("num_images_per_prompt", 1)
    assert parity(ours, theirs, partial(seeded, each), **call) <= 1e-4


@pytest.mark.parametrize("zeros", [True, False])
def test_what_no_negative_prompt_is(zeros: bool, tiny_xl_checkpoint: Path) -> None:
    ours = DiffusionPipeline.from_pretrained(tiny_xl_checkpoint, force_zeros_for_empty_prompt=zeros)
    calls: tuple[dict[str, Any], ...] = ({}, {"negative_prompt": ""})
    theirs = oracle_of(ours)
    put("DDIM", ours, theirs)
    for call in calls:
        assert parity(ours, theirs, prompt="a", **call) <= 1e-4
    pictures = [draw(ours, "a", **call) for call in calls]
    assert torch.equal(*pictures) == (not zeros)


@pytest.mark.parametrize("crop", [(0, 0), (3, 4)])
def test_what_a_model_is_told_of_sizes_reaches_its_picture(
    crop: tuple[int, int], pipeline: Any
) -> None:
    plain = draw(pipeline, "a")
    made = {"original_size": (64, 64), "target_size": (64, 64)}
    assert torch.equal(plain, draw(pipeline, "a", **made))
    for name, value in SIZES.items():
        assert relative_error(draw(pipeline, "a", **{name: value}), plain) > 1e-4
    for name in ("negative_original_size", "negative_target_size"):
        other = draw(pipeline, "a", **{name: (512, 32)}, negative_crops_coords_top_left=crop)
        assert relative_error(other, plain) > 1e-4


def test_each_prompt_of_several_has_its_own_sizes_in_both_halves(pipeline: Any) -> None:
    """diffusers tells half of them the negative sizes."""
    sizes = {**SIZES, **NEGATIVE_SIZES}
    both = draw(pipeline, ["a", "b"], generator=seeded(2), **sizes)
    for index in range(2):
        alone = draw(pipeline, "ab"[index], generator=torch.Generator().manual_seed(index), **sizes)
        assert relative_error(both[index : index + 1], alone) <= 1e-4


def test_a_second_negative_prompt_alone_counts(pipeline: Any) -> None:
    """diffusers takes zeros all the same."""
    found = draw(pipeline, "a", negative_prompt_2="d")
    assert torch.equal(found, draw(pipeline, "a", negative_prompt="", negative_prompt_2="d"))
    assert relative_error(found, draw(pipeline, "a")) > 1e-4


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_refiner_ends_what_the_base_has_begun(
    scheduler: str, pipeline: Any, refiner: Any
) -> None:
    found = []
    pair = [(pipeline, refiner), tuple(oracle_of(one) for one in (pipeline, refiner))]
    for one, other in zip(*pair, strict=True):
        put(scheduler, one, other)
    for base, last in pair:
        call = {"num_inference_steps": 10, "generator": seeded()}
        begun = base("a", denoising_end=0.7, output_type="latent", **call).images
        end = last("a", image=begun, denoising_start=0.7, output_type="np", **call).images
        found.append(array(end))
    assert relative_error(*found) <= 1e-4


def test_image_of_a_batch_is_the_image_alone(task: tuple[str, Any, Any]) -> None:
    name, pipeline, _ = task
    put("Euler a of Turbo", pipeline)
    call = {"prompt": "a", **TASKS[name][2]}
    both = draw(pipeline, num_images_per_prompt=3, **call | {"generator": seeded(3)})
    for index in range(3):
        alone = draw(pipeline, **call | {"generator": torch.Generator().manual_seed(index)})
        assert relative_error(both[index : index + 1], alone) <= 1e-4


@pytest.mark.parametrize("negative", ["", "b"])
def test_a_request_draws_what_a_call_does(negative: str, pipeline: Any) -> None:
    request = Request("tiny-xl", "a", negative, steps=4, seed=3, width=80, height=48)
    seen, output = drain(pipeline.stream_request(request))
    generator = torch.Generator().manual_seed(3)
    call = {"width": 80, "height": 48, "generator": generator, "output_type": "pil"}
    called = draw(pipeline, "a", negative_prompt=negative or None, **call)
    assert torch.equal(array(output.images), called)
    previews = [pipeline.preview(progress)[0] for progress in seen]
    assert {one.mode for one in previews} == {"RGB"}
    assert len({one.tobytes() for one in previews}) == 4


def test_requests_of_every_task(task: tuple[str, Any, Any]) -> None:
    name, pipeline, _ = task
    tasks = {"text": "text-to-image", "picture": "image-to-image", "refiner": "image-to-image"}
    asked = {"model": "tiny-xl", "prompt": "a", "task": tasks.get(name, "inpaint"), "steps": 4}
    pictures = {"image": PICTURE, "mask": MASK} if "inpaint" in name else {"image": PICTURE}
    pictures = {} if name == "text" else pictures
    request = Request(**asked, **dict.fromkeys(pictures, 64 * "0"), count=2)
    _, output = drain(pipeline.stream_request(request, pictures=pictures))
    assert [one.size for one in output.images] == [(64, 64)] * 2
    second = Request(**asked, **dict.fromkeys(pictures, 64 * "0"), seed=1)
    _, alone = drain(pipeline.stream_request(second, pictures=pictures))
    difference = array(output.images)[1:] - array(alone.images)
    assert difference.abs().max() <= 1.5 / 255


@pytest.mark.parametrize(
    "change",
    [
        {"scheduler": "DPM++ 2M Karras"},
        {"scheduler": "DDIM", "guidance_scale": 1.0},
        {"guidance_scale": 9.0},
        {"steps": 8},
        {"steps": 3},
    ],
)
@pytest.mark.parametrize("negative", ["", "b"])
def test_changes_on_the_way(change: dict[str, Any], negative: str, pipeline: Any) -> None:
    asked = Request("tiny-xl", "a", negative, steps=6, seed=2)
    plain = live(pipeline, asked)
    changed = live(pipeline, asked, {2: change})
    assert [one.refused for one in changed.taken] == [""]
    assert changed.seen[-1].step == changed.seen[-1].total == change.get("steps", 6)
    again = drain(pipeline.stream_request(changed.record))[1].images[0]
    assert changed.image == again.tobytes() != plain.image


def test_guidance_that_comes_on_the_way(pipeline: Any) -> None:
    changed = live(
        pipeline,
        Request("tiny-xl", "a", "b", steps=5, guidance_scale=1.0),
        {2: {"guidance_scale": 6.0}},
    )
    whole = live(pipeline, Request("tiny-xl", "a", "b", steps=5, guidance_scale=1.0))
    assert [
        torch.equal(one.latents, other.latents)
        for one, other in zip(changed.seen, whole.seen, strict=True)
    ] == [True, True, False, False, False]
