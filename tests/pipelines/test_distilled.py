"""Models that read the guidance scale, as latent-consistency ones do: run once a step."""

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from engine import DiffusionPipeline, StableDiffusionPipeline
from engine.checkpoints.catalog import find_model
from engine.pipelines import Request
from tests.compare import relative_error
from tests.pipelines.drain import drain
from tests.pipelines.live import live


@pytest.fixture(scope="module")
def folder(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As published: an index of its own, and parts that are left out."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("models") / "lcm"
    shutil.copytree(tiny_checkpoint, folder)
    config = diffusers.UNet2DConditionModel.load_config(folder / "unet")
    unet = diffusers.UNet2DConditionModel.from_config({**config, "time_cond_proj_dim": 13})
    unet.save_pretrained(folder / "unet")
    diffusers.LCMScheduler(beta_schedule="scaled_linear").save_pretrained(folder / "scheduler")
    index = json.loads((folder / "model_index.json").read_text())
    index |= {"_class_name": "LatentConsistencyModelPipeline", "image_encoder": [None, None]}
    index |= {"scheduler": ["diffusers", "LCMScheduler"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture
def pipeline(folder: Path) -> Any:
    return DiffusionPipeline.from_pretrained(folder)


def picture(pipeline: Any, **call: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    call = {"num_inference_steps": 3, "output_type": "np", "generator": generator} | call
    return torch.from_numpy(np.asarray(pipeline(["a red ball", "b"], **call).images))


@pytest.mark.parametrize("scale", [0.5, 1.0, 8.5])
@pytest.mark.parametrize("name", ["StableDiffusionPipeline", "LatentConsistencyModelPipeline"])
def test_same_picture_as_diffusers(name: str, scale: float, pipeline: Any, folder: Path) -> None:
    oracle = getattr(diffusers, name).from_pretrained(folder, safety_checker=None)
    oracle.set_progress_bar_config(disable=True)
    ours, theirs = (picture(pipe, guidance_scale=scale) for pipe in (pipeline, oracle))
    assert relative_error(ours, theirs) <= 1e-4


def test_the_model_is_run_once_a_step(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, predict = list[int](), pipeline.unet.predict

    def counted(sample: torch.Tensor, cond: Any) -> torch.Tensor:
        sizes.append(len(sample))
        return predict(sample, cond)

    monkeypatch.setattr(pipeline.unet, "predict", counted)
    picture(pipeline, guidance_scale=8.0, negative_prompt=["c", "d"])
    assert sizes == [2, 2, 2]


def test_a_change_of_guidance_on_the_way_reaches_the_model(pipeline: Any) -> None:
    asked = Request("lcm", "a", steps=4, guidance_scale=2.0, seed=3)
    plain = live(pipeline, asked)
    changed = live(pipeline, asked, {2: {"guidance_scale": 9.0}})
    again = drain(pipeline.stream_request(changed.record))[1].images[0]
    assert changed.image == again.tobytes() != plain.image
    for index, (one, other) in enumerate(zip(plain.seen, changed.seen, strict=True)):
        assert torch.equal(one.latents, other.latents) == (index < 2)


def test_its_index_names_a_class_that_is_the_same_here(pipeline: Any, folder: Path) -> None:
    assert type(pipeline) is StableDiffusionPipeline
    assert "text-to-image" in find_model(folder.parent, "lcm").tasks
