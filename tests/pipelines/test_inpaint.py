"""Inpainting: the pictures of diffusers by either kind of UNet, pasting back, what is refused."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from engine import DiffusionPipeline, StableDiffusionInpaintPipeline
from engine.errors import EngineError
from engine.pipelines import Control
from engine.pipelines.limits import FILLS
from tests.compare import relative_error
from tests.pipelines.drain import drain
from tests.pipelines.parity import array, blob, oracle_of, painting, parity, seeded, set_scheduler
from tests.schedulers.oracle import QUIET

pytestmark = QUIET

SCHEDULERS = ("DDIM", "Euler", "Euler a", "DPM++ 2M", "Heun", "PNDM", "LMS", "UniPC")
PICTURE, MASK = painting(), blob((12, 20, 44, 52))
PAIR = {"image": [PICTURE, painting(seed=1)], "mask_image": [MASK, blob((0, 0, 30, 64))]}
LARGE = {"image": painting(150, 100), "mask_image": blob((70, 30, 101, 55), 150, 100)}
CALLS: dict[str, dict[str, Any]] = {
    "no guidance": {"guidance_scale": 1.0},
    "part of the noise": {"strength": 0.6},
    "two of one": {"num_images_per_prompt": 2, "strength": 0.6},
    "two pictures": {"prompt": ["a", "b"], "strength": 0.6, **PAIR},
    "one mask of two": {"prompt": ["a", "b"], "image": PAIR["image"]},
    "other size": {**LARGE, "height": 48, "width": 80},
    "own size": {**LARGE},
    "everything": {"mask_image": Image.new("L", (64, 64), 255)},
    "soft mask": {"mask_image": MASK.filter(ImageFilter.GaussianBlur(3))},
    "tensors": {
        "image": array([PICTURE]).movedim(-1, 1),
        "mask_image": (array([MASK]) > 0.5).float(),
    },
    "arrays": {"image": array([PICTURE]).numpy(), "mask_image": array([MASK])[0].numpy()},
    "noise given": {
        "latents": torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(5))
    },
}
FULL = Image.new("L", (64, 64), 255)


@pytest.fixture(scope="module", params=[4, 9])
def pair(request: Any, tiny_checkpoint: Path, tiny_inpaint_checkpoint: Path) -> tuple[Any, Any]:
    """Our pipeline and diffusers', of a UNet that is not shown the mask and of one that is."""
    folder = tiny_checkpoint if request.param == 4 else tiny_inpaint_checkpoint
    pipeline = StableDiffusionInpaintPipeline.from_pretrained(folder)
    assert pipeline.unet.config.in_channels == request.param
    return pipeline, oracle_of(pipeline)


@pytest.fixture
def pipeline(tiny_checkpoint: Path) -> Any:
    made = StableDiffusionInpaintPipeline.from_pretrained(tiny_checkpoint)
    set_scheduler("Euler", made)
    return made


@pytest.mark.parametrize("strength", [0.4, 1.0])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_same_picture_with_every_sampler(
    scheduler: str, strength: float, pair: tuple[Any, Any]
) -> None:
    set_scheduler(scheduler, *pair)
    call = {"prompt": "a", "image": PICTURE, "mask_image": MASK, "strength": strength}
    assert parity(*pair, num_inference_steps=6, **call) <= 1e-4


@pytest.mark.parametrize("name", CALLS)
def test_same_picture_as_diffusers(name: str, pair: tuple[Any, Any]) -> None:
    set_scheduler("Euler a", *pair)
    call = {"prompt": "a", "image": PICTURE, "mask_image": MASK, "num_inference_steps": 5}
    assert parity(*pair, **call | CALLS[name]) <= 1e-4


def test_a_generator_for_each_picture(pair: tuple[Any, Any]) -> None:
    set_scheduler("Euler a", *pair)
    call = {"prompt": ["a", "b"], "strength": 0.6, "num_inference_steps": 5, **PAIR}
    assert parity(*pair, partial(seeded, 2), **call) <= 1e-4


def test_latents_of_what_is_outside(tiny_inpaint_checkpoint: Path) -> None:
    pipeline = DiffusionPipeline.from_pretrained(tiny_inpaint_checkpoint)
    call = {"prompt": "a", "image": PICTURE, "mask_image": MASK, "num_inference_steps": 4}
    call |= {"masked_image_latents": torch.ones(1, 4, 16, 16)}
    assert parity(pipeline, oracle_of(pipeline), **call) <= 1e-4


@pytest.mark.parametrize(
    ("box", "soft"),
    [
        ((70, 30, 101, 55), 0),
        ((70, 30, 101, 55), 4),
        ((0, 0, 20, 60), 0),
        ((3, 80, 149, 99), 0),
        ((75, 0, 90, 100), 0),
        ((140, 40, 150, 44), 0),
    ],
)
def test_only_what_is_marked_at_full_resolution(
    box: tuple[int, int, int, int], soft: int, pair: tuple[Any, Any]
) -> None:
    set_scheduler("DDIM", *pair)
    picture, mask = painting(150, 100), blob(box, 150, 100)
    if soft:
        mask = mask.filter(ImageFilter.GaussianBlur(soft))
    call = {"prompt": "a", "image": picture, "mask_image": mask, "padding_mask_crop": 6}
    call |= {"num_inference_steps": 3}
    ours, theirs = (np.asarray(pipe(generator=seeded(), **call).images[0], int) for pipe in pair)
    assert ours.shape == theirs.shape == (100, 150, 3)
    # diffusers rounds colours that lie under a part of the mask, and once more
    assert np.abs(ours - theirs).max() <= (2 if soft else 1)
    outside = np.asarray(mask) == 0
    assert (ours[outside] == np.asarray(picture)[outside]).all()
    assert (ours != np.asarray(picture)).any()


@pytest.mark.parametrize("blur", [0, 5])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_pasted_back_outside_is_the_picture_itself(
    strength: float, blur: int, pair: tuple[Any, Any]
) -> None:
    pipeline, _ = pair
    set_scheduler("Euler", pipeline)
    picture, mask = painting(93, 70), blob((30, 20, 60, 50), 93, 70)
    call = {"strength": strength, "num_inference_steps": 4, "generator": seeded()}
    call |= {"mask_blur": blur, "num_images_per_prompt": 2}
    pasted = pipeline("a", picture, mask, paste_back=True, **call).images
    cover = mask.filter(ImageFilter.GaussianBlur(blur)) if blur else mask
    for one in pasted:
        same = (np.asarray(one) == np.asarray(picture)).all(-1)
        assert one.size == picture.size
        assert same[np.asarray(cover) == 0].all()
        assert same[np.asarray(mask) > 0].mean() < 0.05
        assert blur == 0 or not same[np.asarray(mask) == 0].all()
    call |= {"mask_blur": 0, "generator": seeded()}
    plain = pipeline("a", picture, mask, **call).images
    assert [one.size for one in plain] == [(64, 64)] * 2


def test_what_a_run_begins_with(pair: tuple[Any, Any]) -> None:
    pipeline, _ = pair
    set_scheduler("Euler", pipeline)
    call = {"num_inference_steps": 4, "output_type": "np"}
    pictures = {}
    for fill in FILLS:
        for strength in (0.5, 1.0):
            generator = torch.Generator().manual_seed(3)
            made = pipeline(
                "a", PICTURE, MASK, fill=fill, strength=strength, generator=generator, **call
            )
            pictures[fill, strength] = torch.from_numpy(made.images)
    for other in FILLS[1:]:
        assert torch.equal(pictures["original", 1.0], pictures[other, 1.0])
        assert relative_error(pictures["original", 0.5], pictures[other, 0.5]) > 1e-3


def test_image_of_a_batch_is_the_image_alone(pair: tuple[Any, Any]) -> None:
    """diffusers would encode the one picture with the first generator for all."""
    pipeline, _ = pair
    set_scheduler("Euler a", pipeline)
    call = {"strength": 0.6, "num_inference_steps": 4, "output_type": "np", "fill": "noise"}
    both = pipeline("a", PICTURE, MASK, num_images_per_prompt=3, generator=seeded(3), **call)
    for index in range(3):
        generator = torch.Generator().manual_seed(index)
        alone = pipeline("a", PICTURE, MASK, generator=generator, **call).images
        assert relative_error(array(both.images)[index : index + 1], array(alone)) <= 1e-4


def test_given_noise_lies_over_the_picture(pipeline: Any) -> None:
    """diffusers would begin in mid-schedule with noise alone."""
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    call = {"strength": 0.3, "num_inference_steps": 10, "latents": noise}
    progress = next(pipeline.stream("a", PICTURE, MASK, generator=seeded(), **call))
    assert progress.total == 3
    assert progress.latents.std() < 0.5 * noise.std() * pipeline.scheduler.sigmas.max()


def test_the_preview_shows_the_picture_outside(pipeline: Any) -> None:
    seen, _ = drain(pipeline.stream("a", PICTURE, MASK, num_inference_steps=3, generator=seeded()))
    outside = torch.ones(16, 16, dtype=torch.bool)
    outside[5:13, 3:11] = False
    for progress in seen[1:]:
        assert torch.equal(progress.x0[0, :, outside], seen[0].x0[0, :, outside])
    assert torch.equal(seen[-1].latents[0, :, outside], seen[0].x0[0, :, outside])
    assert pipeline.preview(seen[-1])[0].size == (64, 64)


def test_changes_on_the_way(pair: tuple[Any, Any]) -> None:
    pipeline, _ = pair
    set_scheduler("Euler", pipeline)
    control = Control()
    run = pipeline.stream("a", PICTURE, MASK, strength=0.8, num_inference_steps=10, control=control)
    next(run), next(run)
    control.change(scheduler="DPM++ 2M Karras", guidance_scale=1.0, steps=15)
    seen, output = drain(run)
    assert [one.refused for one in seen[0].taken] == [""]
    assert seen[-1].step == seen[-1].total == 12
    assert all(progress.latents.isfinite().all() for progress in seen)
    assert output.images[0].size == (64, 64)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"mask_image": Image.new("L", (32, 64), 255)}, "64 x 64 pixels and mask_image 32 x 64"),
        ({"mask_image": Image.new("L", (32, 64), 255), "paste_back": True}, "mask_image 32 x 64"),
        ({"mask_image": Image.new("L", (64, 64))}, "mask_image marks nothing"),
        ({"mask_image": Image.new("L", (64, 64)), "padding_mask_crop": 4}, "marks nothing"),
        ({"mask_image": blob((17, 17, 18, 18))}, "too little to be seen"),
        ({"mask_image": None}, "mask_image is nothing"),
        ({"mask_image": np.full((64, 64), np.nan)}, "values that are not numbers"),
        ({"mask_image": np.full((64, 64), 255.0)}, "mask_image has values outside 0 to 1"),
        ({"mask_image": np.ones(64)}, "mask_image has the shape [64]: height and width are needed"),
        ({"mask_blur": 3}, "mask_blur softens what is pasted back"),
        ({"image": Image.new("RGB", (1, 1)), "mask_image": Image.new("L", (1, 1), 255)}, "1 x 1"),
        ({"image": None}, "image is nothing"),
        ({"strength": 0.05}, "leaves none of 4 steps"),
        ({"height": 60}, "height is 60"),
        ({"mask_blur": -1, "paste_back": True}, "mask_blur is -1"),
        ({"padding_mask_crop": -1}, "padding_mask_crop is -1"),
        ({"num_images_per_prompt": 0}, "num_images_per_prompt is 0"),
        ({"fill": "red"}, "fill is 'red'; choose one of: original, noise, blank"),
        ({"padding_mask_crop": 4, "output_type": "np"}, "output_type is 'np'"),
        ({"paste_back": True, "image": np.zeros((64, 64, 3))}, "paste_back need a Pillow picture"),
        ({"masked_image_latents": torch.zeros(1, 4, 8, 8)}, "masked_image_latents has the shape"),
        ({"latents": torch.zeros(1, 4, 8, 8)}, "latents has the shape"),
        ({**PAIR}, "mask_image has 2 entries for 1 prompts"),
    ],
)
def test_bad_calls_name_the_argument(
    call: dict[str, Any], words: str, pair: tuple[Any, Any]
) -> None:
    settings = {"prompt": "a", "image": PICTURE, "mask_image": MASK, "num_inference_steps": 4}
    with pytest.raises(EngineError) as caught:
        pair[0](**settings | call)
    assert words in str(caught.value)


def test_a_unet_for_another_task(tiny_depth_checkpoint: Path) -> None:
    pipeline = StableDiffusionInpaintPipeline.from_pretrained(tiny_depth_checkpoint)
    with pytest.raises(EngineError, match="takes 4 or 9 channels, and this one takes 5, as for de"):
        pipeline("a", PICTURE, MASK)
