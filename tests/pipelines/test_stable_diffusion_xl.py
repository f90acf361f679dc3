"""SDXL: the pictures of diffusers for every task and kind of checkpoint; what is refused."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

import engine
from engine import DiffusionPipeline
from engine.checkpoints.catalog import find_model
from engine.errors import EngineError
from engine.pipelines import Request
from tests.compare import relative_error
from tests.pipelines.drain import drain
from tests.pipelines.live import live
from tests.pipelines.parity import array, blob, oracle_of, painting, parity, seeded
from tests.schedulers.oracle import QUIET
from tests.xl import PUBLISHED

pytestmark = QUIET

PICTURE, MASK = painting(), blob((12, 20, 44, 52))
PAIR = [PICTURE, painting(seed=1)]
TRAILING = {"timestep_spacing": "trailing"}
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Euler as published": ("EulerDiscreteScheduler", {}),
    "Euler of Lightning": ("EulerDiscreteScheduler", TRAILING),
    "Euler a of Turbo": ("EulerAncestralDiscreteScheduler", TRAILING),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DDIM": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    "LCM": ("LCMScheduler", {"clip_sample": False}),
}
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


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


SIZES: dict[str, Any] = {
    "original_size": (1024, 512),
    "crops_coords_top_left": (16, 100),
    "target_size": (96, 48),
}
NEGATIVE_SIZES: dict[str, Any] = {
    "negative_original_size": (256, 128),
    "negative_target_size": (64, 80),
}
EMBEDDINGS: dict[str, Any] = {
    "prompt": None,
    "prompt_embeds": drawn(1, 16, 40),
    "negative_prompt_embeds": drawn(1, 16, 40).flip(1),
    "pooled_prompt_embeds": drawn(1, 20),
    "negative_pooled_prompt_embeds": drawn(1, 20).flip(1),
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


def put(scheduler: str, *pipelines: tuple[Any, Any]) -> None:
    """One of `SCHEDULERS` into our pipeline and diffusers'."""
    cls, settings = SCHEDULERS[scheduler]
    for library, pipe in zip((engine, diffusers), pipelines, strict=False):
        pipe.scheduler = getattr(library, cls).from_config({**PUBLISHED, **settings})


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
    draw = partial(seeded, texts * call.get("num_images_per_prompt", 1))
    assert parity(ours, theirs, draw, **call) <= 1e-4


@pytest.mark.parametrize("zeros", [True, False])
def test_what_no_negative_prompt_is(zeros: bool, tiny_xl_checkpoint: Path) -> None:
    ours = DiffusionPipeline.from_pretrained(tiny_xl_checkpoint, force_zeros_for_empty_prompt=zeros)
    calls: tuple[dict[str, Any], ...] = ({}, {"negative_prompt": ""})
    for call in calls:
        assert parity(ours, oracle_of(ours), prompt="a", **call) <= 1e-4
    pictures = [draw(ours, "a", **call) for call in calls]
    assert torch.equal(*pictures) == (not zeros)


def draw(pipeline: Any, *args: Any, **call: Any) -> torch.Tensor:
    settings = {"num_inference_steps": 4, "output_type": "np", "generator": seeded()}
    return array(pipeline(*args, **settings | call).images)


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
        alone = draw(pipeline, "ab"[index], generator=seeded(2)[index], **sizes)
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
        alone = draw(pipeline, **call | {"generator": seeded(3)[index]})
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


def test_every_task_shares_every_component(pipeline: Any, refiner: Any) -> None:
    there = pipeline
    for task, cls in (
        ("image-to-image", "StableDiffusionXLImg2ImgPipeline"),
        ("inpaint", "StableDiffusionXLInpaintPipeline"),
        ("text-to-image", "StableDiffusionXLPipeline"),
        ("inpaint", "StableDiffusionXLInpaintPipeline"),
        ("image-to-image", "StableDiffusionXLImg2ImgPipeline"),
    ):
        there = there.as_task(task)
        assert type(there).__name__ == cls
        assert all(there.components[name] is part for name, part in pipeline.components.items())
    repaint = refiner.as_task("inpaint")
    assert (
        repaint.settings
        == refiner.settings
        == {
            "force_zeros_for_empty_prompt": False,
            "requires_aesthetics_score": True,
        }
    )
    call = {"image": PICTURE, "mask_image": MASK}
    assert parity(repaint, oracle_of(repaint), prompt="a", **call) <= 1e-4
    for task, words in (
        ("text-to-image", "a refiner does image-to-image"),
        ("depth-to-image", "needs a depth_estimator, which a StableDiffusionXLImg2ImgPipeline"),
    ):
        with pytest.raises(EngineError, match=words):
            refiner.as_task(task)


def test_what_a_checkpoint_can_do(
    tiny_xl_checkpoint: Path, tiny_xl_refiner_checkpoint: Path, tiny_xl_inpaint_checkpoint: Path
) -> None:
    found = {
        folder.name: find_model(folder.parent, folder.name).tasks
        for folder in (tiny_xl_checkpoint, tiny_xl_refiner_checkpoint, tiny_xl_inpaint_checkpoint)
    }
    assert found == {
        "tiny-xl": ("text-to-image", "image-to-image", "inpaint"),
        "tiny-xl-refiner": ("image-to-image",),
        "tiny-xl-inpaint": ("inpaint",),
    }
    inpaint = DiffusionPipeline.from_pretrained(tiny_xl_inpaint_checkpoint)
    with pytest.raises(EngineError, match="this one takes 9, as for inpainting"):
        inpaint.as_task("text-to-image")


@pytest.mark.parametrize("force_upcast", [True, False])
def test_an_autoencoder_that_overflows_in_float16_works_in_float32(
    force_upcast: bool, tiny_xl_checkpoint: Path
) -> None:
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_xl_checkpoint, dtype=torch.float16)
    vae = type(pipeline.vae).from_config(pipeline.vae.config, force_upcast=force_upcast).half()
    vae.load_state_dict(pipeline.vae.state_dict())
    pipeline.vae = vae
    found = draw(pipeline, "a")
    scaled = draw(pipeline, "a", output_type="latent") / vae.config.scaling_factor
    assert vae.dtype == torch.float16
    errors = []
    for dtype in (torch.float16, torch.float32):
        with torch.no_grad():
            decoded = vae.to(dtype).decode(scaled).sample.float() / 2 + 0.5
        errors.append(relative_error(found, decoded.clamp(0, 1).movedim(1, -1)))
    right, wrong = reversed(errors) if force_upcast else errors
    assert right <= 1e-5 < wrong


def test_previews_of_an_autoencoder_that_overflows(tiny_xl_checkpoint: Path) -> None:
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_xl_checkpoint)
    sharp = pipeline.vae.previewer.weight
    with torch.no_grad():
        pipeline.vae.decoder.mid_block.resnets[0].conv2.weight.mul_(1e6)
    half: Any = type(pipeline.vae).from_config(pipeline.vae.config)
    half.load_state_dict(pipeline.vae.state_dict())
    half.half()
    with torch.no_grad():
        assert not half.decode(drawn(1, 4, 16, 16)).sample.isfinite().all()
    assert half.previewer.weight.isfinite().all()
    assert half.dtype == torch.float16 and half.previewer.weight.shape == sharp.shape


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"original_size": 1024}, "original_size is 1024: two numbers are needed"),
        ({"target_size": (64, -1)}, "target_size is (64, -1): two numbers are needed"),
        ({"crops_coords_top_left": ("0", 1)}, "crops_coords_top_left is ('0', 1)"),
        ({"negative_target_size": (float("nan"), 1)}, "negative_target_size is (nan, 1)"),
        ({"denoising_end": 1.5}, "denoising_end is 1.5: it must be from 0 to 1"),
        ({"denoising_end": 0.001}, "denoising_end is 0.001, which leaves none of 50 steps"),
        ({"prompt_2": ["a", "b"]}, "prompt_2 has 2 entries for 1 prompts"),
        ({"negative_prompt": "a", "negative_prompt_2": ["a", "b"]}, "negative_prompt_2 has 2"),
        ({"pooled_prompt_embeds": torch.zeros(2, 20)}, "pooled_prompt_embeds has 2 entries"),
        ({"pooled_prompt_embeds": torch.zeros(1, 9)}, "has the shape [1, 20], pooled_prompt"),
        ({**EMBEDDINGS, "prompt_2": "a"}, "give either prompt_2 or prompt_embeds"),
        ({**EMBEDDINGS, "negative_pooled_prompt_embeds": None}, "has the shape none, pooled"),
        (
            {"prompt": None, "prompt_embeds": EMBEDDINGS["prompt_embeds"]},
            "pooled_prompt_embeds goes with it",
        ),
        ({"prompt": " "}, "prompt is empty"),
    ],
)
def test_bad_calls_name_the_argument(call: dict[str, Any], words: str, pipeline: Any) -> None:
    with pytest.raises(EngineError) as caught:
        pipeline(**{"prompt": "a"} | call)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"denoising_start": 1.0}, "denoising_start is 1.0, which leaves none of 5 steps"),
        ({"denoising_start": -0.1}, "denoising_start is -0.1: it must be from 0 to 1"),
        ({"denoising_start": 0.6, "denoising_end": 0.6}, "denoising_end is 0.6, which leaves none"),
        ({"aesthetic_score": "good"}, "aesthetic_score is 'good': a number, 0 or more"),
        ({"negative_aesthetic_score": -1.0}, "negative_aesthetic_score is -1.0"),
        ({"prompt_2": "b"}, "prompt_2 has no reader"),
        ({"latents": torch.zeros(2, 4, 16, 16)}, "latents has the shape [2, 4, 16, 16], needed"),
        ({"image": None}, "image is nothing"),
    ],
)
def test_bad_calls_of_a_refiner(call: dict[str, Any], words: str, refiner: Any) -> None:
    with pytest.raises(EngineError) as caught:
        refiner(**{"prompt": "a", "image": PICTURE, "num_inference_steps": 5} | call)
    assert words in str(caught.value)


def test_components_that_do_not_go_together(
    pipeline: Any, tiny_xl_checkpoint: Path, tiny_xl_refiner_checkpoint: Path, tmp_path: Path
) -> None:
    repaint = pipeline.as_task("inpaint")
    with pytest.raises(EngineError, match="image is latents, and what is outside the mask"):
        repaint("a", image=drawn(1, 4, 16, 16), mask_image=MASK)
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "StableDiffusionPipeline": ({}, "addition_embed_type is None, and this one's is 'text_t"),
        "StableDiffusionXLPipeline": ({"text_encoder_2": None}, "no text_encoder_2, or no tok"),
    }
    for cls, (given, words) in cases.items():
        with pytest.raises(EngineError) as caught:
            getattr(engine, cls).from_pretrained(tiny_xl_checkpoint, **given)("a")
        assert words in str(caught.value)
    wrong = {"requires_aesthetics_score": False}
    plain = type(pipeline.as_task("image-to-image"))
    with pytest.raises(EngineError, match="a pooled text of 20 and a target size, 68 numbers"):
        plain.from_pretrained(tiny_xl_refiner_checkpoint, **wrong)("a", PICTURE)
    index = json.loads((tiny_xl_checkpoint / "model_index.json").read_text())
    index |= {"force_zeros_for_empty_prompt": "yes"}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(EngineError, match="force_zeros_for_empty_prompt is 'yes', not true or"):
        DiffusionPipeline.from_pretrained(tmp_path)
