"""The safety checker flags what that of diffusers does, and a pipeline with it draws the same."""

import shutil
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker as Oracle
from safetensors.torch import load_file

from engine import DiffusionPipeline
from engine.errors import RequestError
from engine.models import StableDiffusionSafetyChecker
from tests.compare import relative_error
from tests.conftest import make_checker
from tests.pipelines.parity import parity


@pytest.fixture(params=[0, 1], ids=["nothing near", "near to one"])
def folder(request: pytest.FixtureRequest, tiny_checkpoint: Path, tmp_path: Path) -> Path:
    made = tmp_path / "checked"
    shutil.copytree(tiny_checkpoint, made)
    make_checker(made, nears=request.param)
    return made


def test_flags_are_those_of_diffusers(folder: Path) -> None:
    ours = StableDiffusionSafetyChecker.from_pretrained(folder / "safety_checker").eval()
    theirs = Oracle.from_pretrained(folder / "safety_checker").eval()
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for weight in torch.linspace(0, 1.2, 25).tolist():
        for care in (-1.0, 1.0):
            for checker in (ours, theirs):
                checker.concept_embeds_weights.data.fill_(weight)
                checker.special_care_embeds_weights.data.fill_(care)
            pixels = torch.randn(4, 3, 32, 32, generator=generator)
            images = torch.rand(4, 3, 8, 8, generator=generator)
            found, flags = ours(pixels, images.clone())
            expected, known = theirs(pixels, images.clone())
            assert flags == known and torch.equal(found, expected)
            seen |= {*flags}
    assert seen == {False, True}


def test_care_lowers_the_thresholds_by_a_hundredth(folder: Path) -> None:
    ours = StableDiffusionSafetyChecker.from_pretrained(folder / "safety_checker").eval()
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    embedded = ours.visual_projection(ours.vision_model(pixels).pooler_output)[0]
    ours.concept_embeds.data[:] = embedded  # a cosine of 1 to every concept
    ours.special_care_embeds.data[:] = embedded
    for threshold, care, flagged in ((1.005, 0.5, True), (1.005, 1.5, False), (1.02, 0.5, False)):
        ours.concept_embeds_weights.data.fill_(threshold)
        ours.special_care_embeds_weights.data.fill_(care)
        assert ours.flagged(pixels) == [flagged]


@pytest.mark.parametrize("output_type", ["np", "pt"])
def test_a_pipeline_blackens_what_diffusers_does(folder: Path, output_type: str) -> None:
    ours: Any = DiffusionPipeline.from_pretrained(folder)
    theirs: Any = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    theirs.set_progress_bar_config(disable=True)
    calls = [
        pipe(
            ["a red ball", "a"],
            num_inference_steps=3,
            generator=torch.Generator().manual_seed(0),
            output_type=output_type,
        )
        for pipe in (ours, theirs)
    ]
    flags = [call.nsfw_content_detected for call in calls]
    assert flags[0] == flags[1] and len(flags[0]) == 2
    found, expected = (torch.as_tensor(call.images) for call in calls)
    if all(flags[0]):
        assert found.abs().max() == 0 == expected.abs().max()
        ours.blacken_flagged = False
        again = ours(["a"], num_inference_steps=3)
        assert again.nsfw_content_detected == [True] and again.images[0].getbbox()
    else:
        assert relative_error(found, expected) <= 1e-4


def test_other_tasks_look_too(folder: Path) -> None:
    drawn: Any = DiffusionPipeline.from_pretrained(folder)
    picture = drawn("a", num_inference_steps=2, output_type="pil").images[0]
    output = drawn.as_task("image-to-image")("a", picture, num_inference_steps=4)
    flagged = load_file(folder / "safety_checker" / "model.safetensors")["concept_embeds_weights"]
    assert output.nsfw_content_detected == [bool(flagged.min() < 0)]


def test_written_here_it_is_read_there(folder: Path, tmp_path: Path) -> None:
    ours: Any = DiffusionPipeline.from_pretrained(folder)
    ours.save_pretrained(tmp_path / "again")
    theirs: Any = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path / "again")
    theirs.set_progress_bar_config(disable=True)
    assert type(theirs.safety_checker).__name__ == "StableDiffusionSafetyChecker"
    ours.blacken_flagged = False
    theirs.safety_checker = None
    assert parity(ours, theirs, prompt="a red ball") <= 1e-4
    keys = load_file(tmp_path / "again" / "safety_checker" / "model.safetensors").keys()
    assert any(key.startswith("vision_model.vision_model.") for key in keys)


def test_a_checker_without_what_prepares_pictures_is_refused(folder: Path) -> None:
    pipeline = DiffusionPipeline.from_pretrained(folder, feature_extractor=None)
    with pytest.raises(RequestError, match="feature_extractor"):
        pipeline("a", num_inference_steps=2)
