"""Components by class name, in flat checkpoints too, and under the names of older libraries."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine import DiffusionPipeline
from engine.checkpoints.components import (
    CLASSES,
    Spec,
    component_files,
    load_component,
    save_component,
)
from engine.errors import CheckpointError

FLAT = {"unet": "UNet2DModel", "scheduler": "DDPMScheduler"}
PROCESSORS = {
    "CLIPFeatureExtractor": {"crop_size": 16, "size": 16, "do_center_crop": True},
    "DPTFeatureExtractor": {"size": 16, "keep_aspect_ratio": False, "ensure_multiple_of": 1},
}


@pytest.mark.parametrize("name", FLAT)
def test_flat_component_is_read_from_the_root(name: str, tiny_ddpm_checkpoint: Path) -> None:
    spec = Spec("diffusers", FLAT[name])
    component = load_component(tiny_ddpm_checkpoint, name, spec, torch.float32)
    assert type(component).__name__ == FLAT[name]
    names = [path.name for path in component_files(tiny_ddpm_checkpoint, name, spec)]
    weights = ["config.json", "diffusion_pytorch_model.safetensors"]
    assert names == (weights if name == "unet" else ["scheduler_config.json"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("transformers_weights", "adapter_model.bin"),
        ("attn_implementation", "someone/kernel"),
        ("quantization_config", {"quant_method": "gptq"}),
        ("auto_map", {"AutoModel": "code.Model"}),
    ],
)
def test_a_text_encoder_opens_nothing_but_the_weights_that_were_checked(
    key: str, value: object, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "text_encoder"
    shutil.copytree(tiny_checkpoint / "text_encoder", folder)
    torch.save({}, folder / "adapter_model.bin")
    spec = Spec("transformers", "CLIPTextModel")
    load_component(tmp_path, "text_encoder", spec, torch.float32)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(CheckpointError, match=key):
        load_component(tmp_path, "text_encoder", spec, torch.float32)


@pytest.mark.parametrize("old", PROCESSORS)
def test_feature_extractors_of_old_checkpoints(old: str, tmp_path: Path) -> None:
    settings = PROCESSORS[old] | {
        "feature_extractor_type": old,
        "do_normalize": True,
        "resample": 2,
    }
    settings |= {"do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    path = tmp_path / "feature_extractor" / "preprocessor_config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(settings))
    spec = Spec("transformers", old)
    processor = load_component(tmp_path, "feature_extractor", spec, torch.float32)
    white = Image.new("RGB", (40, 40), "white")
    pixels = processor(white, return_tensors="np").pixel_values
    assert pixels.shape == (1, 3, 16, 16) and np.abs(pixels - 1).max() <= 1e-6
    assert type(processor) is type(
        CLASSES[old.replace("FeatureExtractor", "ImageProcessor")].load(
            path.parent, torch.float32, None
        )
    )
    index = json.loads(repr(DiffusionPipeline(processor=processor)).partition(" ")[2])
    assert index["processor"] == ["transformers", old.replace("FeatureExtractor", "ImageProcessor")]
    save_component(processor, tmp_path / "again")
    path.write_text("{")
    with pytest.raises(CheckpointError, match="preprocessor_config"):
        load_component(tmp_path, "feature_extractor", spec, torch.float32)
