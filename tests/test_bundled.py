"""The bundled models: whole, small enough, and the same pictures here as in diffusers."""

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import engine
from engine import DiffusionPipeline
from engine.checkpoints.catalog import list_models
from engine.pipelines import Request
from tests.compare import relative_error

MODELS = Path(__file__).parents[1] / "assets" / "models"
LARGEST = 10_000_000
CALL: dict[str, Any] = {"prompt": "a large shiny red sphere", "num_inference_steps": 8}


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return DiffusionPipeline.from_pretrained(MODELS / "tabletop")


def draw(pipeline: Any, **call: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    images = pipeline(**(CALL | call), generator=generator, output_type="np").images
    return torch.from_numpy(np.asarray(images))


def test_models_are_listed_and_their_files_small() -> None:
    assert [model.name for model in list_models(MODELS)] == ["tabletop", "tabletop-ddpm"]
    weights = list(MODELS.rglob("*.safetensors"))
    assert weights and all(file.stat().st_size <= LARGEST for file in weights)


def test_same_picture_as_diffusers(pipeline: Any, tmp_path: Path) -> None:
    theirs = diffusers.DiffusionPipeline.from_pretrained(
        MODELS / "tabletop", torch_dtype=torch.float32
    )
    theirs.set_progress_bar_config(disable=True)
    expected = draw(theirs)
    assert relative_error(draw(pipeline), expected) <= 1e-4
    pipeline.save_pretrained(tmp_path)
    saved = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    saved.set_progress_bar_config(disable=True)
    assert relative_error(draw(saved), expected) <= 1e-4


def test_same_unconditional_picture_as_diffusers() -> None:
    folder = MODELS / "tabletop-ddpm"
    pictures = []
    for library in (diffusers, engine):
        pipeline = library.DiffusionPipeline.from_pretrained(folder)
        generator = torch.Generator().manual_seed(2)
        call = {"num_inference_steps": 12, "generator": generator, "output_type": "np"}
        pictures.append(torch.from_numpy(np.asarray(pipeline(batch_size=2, **call).images)))
    expected, got = pictures
    assert relative_error(got, expected) <= 1e-4
    assert got.std() > 0.1


def test_picture_follows_the_colour(pipeline: Any) -> None:
    for colour, channel in (("red", 0), ("green", 1), ("blue", 2)):
        picture = draw(pipeline, prompt=f"a large matte {colour} sphere", num_inference_steps=20)
        middle = picture[0, 24:48, 24:40].mean(dim=(0, 1))
        assert int(middle.argmax()) == channel, (colour, middle)


def test_preview_resembles_the_picture(pipeline: Any) -> None:
    run = pipeline.stream_request(Request("tabletop", "a large red sphere", steps=12, seed=1))
    progress = None
    try:
        while True:
            progress = next(run)
    except StopIteration as stop:
        [final] = stop.value.images
    [preview] = pipeline.preview(progress)
    assert preview.size == final.size == (64, 64)
    error = np.mean((np.asarray(preview, float) - np.asarray(final, float)) ** 2)
    spread = np.asarray(final, float).var()
    assert error <= spread / 10, f"{10 * np.log10(255**2 / error):.1f} dB"
