"""Which class a checkpoint becomes, and which of its components are loaded."""

import json
import shutil
from pathlib import Path

import diffusers
import pytest
import torch

from engine import DiffusionPipeline, StableDiffusionPipeline
from engine.errors import CheckpointError
from engine.pipelines import DDPMPipeline
from engine.pipelines.plan import make_plan


class Own(StableDiffusionPipeline):
    """A class of a user's."""


def test_a_subclass_returns_itself(tiny_checkpoint: Path, tiny_ddpm_checkpoint: Path) -> None:
    for asked, found in (
        (DiffusionPipeline, StableDiffusionPipeline),
        (StableDiffusionPipeline, StableDiffusionPipeline),
        (Own, Own),
    ):
        assert type(asked.from_pretrained(tiny_checkpoint, text_encoder=None)) is found
    assert type(DiffusionPipeline.from_pretrained(tiny_ddpm_checkpoint)) is DDPMPipeline


def test_a_class_that_does_not_fit(tiny_checkpoint: Path, tiny_ddpm_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="names no vae, which StableDiffusionPipeline needs"):
        StableDiffusionPipeline.from_pretrained(tiny_ddpm_checkpoint)
    with pytest.raises(CheckpointError, match=r"takes unet as UNet2DModel, .*UNet2DConditionModel"):
        DDPMPipeline.from_pretrained(tiny_checkpoint)


def test_components_that_the_class_does_not_take(
    tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "more"
    shutil.copytree(tiny_checkpoint, folder)
    index = json.loads((folder / "model_index.json").read_text())
    index |= {"image_encoder": ["x", "Unknown"], "requires_safety_checker": True}
    index |= {"feature_extractor": [None, None], "safety_checker": ["x", "Checker"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    plan = make_plan(folder, {"safety_checker": None, "torch_dtyp": torch.float16})
    assert set(plan.specs) == {"scheduler", "text_encoder", "tokenizer", "unet", "vae"}
    assert plan.ready == {"safety_checker": None, "feature_extractor": None}
    assert "torch_dtyp is no component of StableDiffusionPipeline" in caplog.text


def test_variant_and_shards_of_all_networks(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pipeline = DiffusionPipeline.from_pretrained(tiny_checkpoint, dtype=torch.float16)
    pipeline.save_pretrained(tmp_path, variant="fp16", max_shard_size="10KB")
    for name, stem in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        assert (tmp_path / name / f"{stem}.safetensors.index.fp16.json").is_file()
    options = {"variant": "fp16", "torch_dtype": torch.float16}
    here = DiffusionPipeline.from_pretrained(tmp_path, **options)
    there = diffusers.StableDiffusionPipeline.from_pretrained(
        tmp_path, **options, safety_checker=None
    )
    for name in ("unet", "vae", "text_encoder"):
        expected = pipeline.components[name].state_dict()
        for loaded in (here, there):
            tensors = loaded.components[name].state_dict()
            assert all(torch.equal(tensors[key], value) for key, value in expected.items())
