"""From one task to another: the same objects, saved and loaded under their names."""

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

import engine
from engine import DiffusionPipeline
from engine.cache import ComponentCache
from engine.errors import RequestError
from engine.pipelines import Request
from engine.pipelines.tasks import PIPELINES, TASKS, class_for, tasks_of
from tests.compare import relative_error
from tests.conftest import make_estimator
from tests.pipelines.parity import array, blob, painting, seeded

PICTURES = ("image-to-image", "inpaint", "text-to-image")
CALLS: dict[str, dict[str, Any]] = {
    "StableDiffusionPipeline": {},
    "StableDiffusionImg2ImgPipeline": {"image": painting()},
    "StableDiffusionInpaintPipeline": {"image": painting(), "mask_image": blob((9, 9, 50, 50))},
    "StableDiffusionDepth2ImgPipeline": {"image": painting()},
}


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint: Path) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_checkpoint)


def draw(pipeline: Any) -> torch.Tensor:
    call = {"num_inference_steps": 3, "output_type": "np", "generator": seeded()}
    return array(pipeline("a", **call, **CALLS[type(pipeline).__name__]).images)


def test_tables_name_each_other() -> None:
    assert {cls for classes in TASKS.values() for cls in classes.values()} == set(PIPELINES)
    assert all(hasattr(engine, cls) and hasattr(engine.pipelines, cls) for cls in PIPELINES)
    assert tasks_of("StableDiffusionPipeline") == ("text-to-image", "image-to-image", "inpaint")


def test_every_task_shares_every_component(pipeline: Any) -> None:
    there: Any = pipeline
    for task in (*PICTURES, *PICTURES[:2]):
        there = there.as_task(task)
        assert type(there).__name__ == class_for(task, "StableDiffusionPipeline")
        assert there.components.keys() == pipeline.components.keys()
        assert all(there.components[name] is part for name, part in pipeline.components.items())
        draw(there)


def test_from_pipe_takes_what_is_missing(tiny_depth_checkpoint: Path, pipeline: Any) -> None:
    depth: Any = DiffusionPipeline.from_pretrained(tiny_depth_checkpoint, depth_estimator=None)
    parts = make_estimator()
    whole: Any = engine.StableDiffusionDepth2ImgPipeline.from_pipe(depth, **parts)
    assert whole.depth_estimator is parts["depth_estimator"] and whole.unet is depth.unet
    draw(whole)
    with pytest.raises(RequestError, match="takes 5 channels, and this one takes 4, as for text"):
        engine.StableDiffusionDepth2ImgPipeline.from_pipe(pipeline, **parts)


def test_the_cache_loads_nothing_twice(tiny_checkpoint: Path) -> None:
    cache = ComponentCache(10**9)
    made: list[Any] = [
        cache.pipeline(tiny_checkpoint, task, torch.device("cpu"), torch.float32)
        for task in PICTURES
    ]
    assert cache.loads == len(cache.figures()["components"]) == 5
    assert all(one.unet is made[0].unet and one.vae is made[0].vae for one in made)


@pytest.mark.parametrize("cls", CALLS)
def test_saved_here_loads_there(
    cls: str,
    tiny_checkpoint: Path,
    tiny_inpaint_checkpoint: Path,
    tiny_depth_checkpoint: Path,
    tmp_path: Path,
) -> None:
    folders = {"Inpaint": tiny_inpaint_checkpoint, "Depth2Img": tiny_depth_checkpoint}
    folder = next((path for name, path in folders.items() if name in cls), tiny_checkpoint)
    ours = getattr(engine, cls).from_pretrained(folder)
    ours.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "model_index.json").read_text())["_class_name"] == cls
    again = DiffusionPipeline.from_pretrained(tmp_path)
    # without torchvision, diffusers needs to be given an image processor
    given = {"feature_extractor": ours.components["feature_extractor"]}
    if "safety_checker" in ours.components:
        given |= {"safety_checker": None}
    theirs = diffusers.DiffusionPipeline.from_pretrained(tmp_path, **given)
    theirs.set_progress_bar_config(disable=True)
    assert type(again).__name__ == type(theirs).__name__ == cls
    expected = draw(ours)
    for pipe in (again, theirs):
        assert relative_error(draw(pipe), expected) <= 1e-4


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("dance", "task is 'dance'; known are: text-to-image, image-to-image"),
        ("depth-to-image", "needs a depth_estimator, which a StableDiffusionPipeline does not"),
        ("unconditional", "DDPMPipeline takes unet as UNet2DModel, and this one is a UNet2DCond"),
    ],
)
def test_what_the_components_cannot_do(task: str, words: str, pipeline: Any) -> None:
    with pytest.raises(RequestError) as caught:
        pipeline.as_task(task)
    assert words in str(caught.value)


def test_what_the_unet_was_not_made_for(tiny_inpaint_checkpoint: Path) -> None:
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_inpaint_checkpoint)
    assert pipeline.as_task("inpaint").unet is pipeline.unet
    for task in ("text-to-image", "image-to-image"):
        with pytest.raises(RequestError, match="this one takes 9, as for inpainting"):
            pipeline.as_task(task)
    with pytest.raises(RequestError, match="has no component colour"):
        type(pipeline).from_pipe(pipeline, colour=3)


def test_a_request_of_another_task(pipeline: Any) -> None:
    with pytest.raises(RequestError, match="a StableDiffusionInpaintPipeline does: inpaint"):
        pipeline.as_task("inpaint").stream_request(Request("tiny", "a"))
