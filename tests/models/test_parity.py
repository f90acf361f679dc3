"""Our models against diffusers': equal outputs from equal weights, files read both ways."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from engine.models import AutoencoderKL, UNet2DConditionModel
from tests.compare import relative_error

TWO_LEVELS: dict[str, Any] = {
    "sample_size": 16,
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 24,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
}
UNETS: dict[str, dict[str, Any]] = {
    "two levels": TWO_LEVELS,
    "four levels, as Stable Diffusion 1": {
        "block_out_channels": (8, 16, 32, 32),
        "cross_attention_dim": 24,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    },
    "one layer, attention below": TWO_LEVELS
    | {
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    },
    "other time embedding": TWO_LEVELS | {"flip_sin_to_cos": False, "freq_shift": 1},
    "more channels in": TWO_LEVELS | {"in_channels": 9, "norm_eps": 1e-3},
    "four channels out": TWO_LEVELS | {"out_channels": 8},
}
AUTOENCODERS: dict[str, dict[str, Any]] = {
    "Stable Diffusion 1": {"block_out_channels": (8, 16, 16, 16), "layers_per_block": 2},
    "no attention": {"block_out_channels": (8, 16), "mid_block_add_attention": False},
    "no quant convolutions": {
        "block_out_channels": (8, 8),
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "latent_channels": 8,
    },
}


def autoencoder_config(name: str) -> dict[str, Any]:
    config = AUTOENCODERS[name] | {"norm_num_groups": 4}
    stages = len(config["block_out_channels"])
    return config | {
        "down_block_types": ("DownEncoderBlock2D",) * stages,
        "up_block_types": ("UpDecoderBlock2D",) * stages,
    }


@pytest.mark.parametrize("size", [(16, 16), (24, 8), (9, 11)], ids=str)
@pytest.mark.parametrize("name", UNETS)
@torch.no_grad()
def test_unet_equals_diffusers(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = diffusers.UNet2DConditionModel(**UNETS[name]).eval()
    theirs.save_pretrained(tmp_path)
    ours = UNet2DConditionModel.from_pretrained(tmp_path)
    sample = torch.randn(2, theirs.config.in_channels, *size)
    text = torch.randn(2, 7, 24)
    for timestep in (0, torch.tensor(501), torch.tensor([3, 999])):
        expected = theirs(sample, timestep, text).sample
        assert relative_error(ours(sample, timestep, text).sample, expected) <= 1e-5


@torch.no_grad()
def test_conditioning_of_a_run_equals_that_of_each_step() -> None:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(**TWO_LEVELS).eval()
    sample, text = torch.randn(2, 4, 16, 16), torch.randn(2, 7, 24)
    timesteps = torch.tensor([900, 500, 100])
    conditioning = unet.condition(timesteps, text)
    for index, timestep in enumerate(timesteps):
        expected = unet(sample, timestep, text).sample
        assert relative_error(unet.predict(sample, conditioning.at(index)), expected) <= 1e-6


@pytest.mark.parametrize("name", AUTOENCODERS)
@torch.no_grad()
def test_autoencoder_equals_diffusers(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = diffusers.AutoencoderKL(**autoencoder_config(name)).eval()
    theirs.save_pretrained(tmp_path)
    ours = AutoencoderKL.from_pretrained(tmp_path)
    pixels = torch.randn(2, 3, 32, 48)
    expected, got = theirs.encode(pixels).latent_dist, ours.encode(pixels).latent_dist
    assert relative_error(got.mean, expected.mean) <= 1e-5
    assert relative_error(got.kl(), expected.kl()) <= 1e-5
    drawn = [dist.sample(torch.Generator().manual_seed(1)) for dist in (got, expected)]
    assert relative_error(*drawn) <= 1e-5
    latents = torch.randn_like(expected.mean)
    assert relative_error(ours.decode(latents).sample, theirs.decode(latents).sample) <= 1e-5


def _equal(one: Any, other: Any) -> bool:
    return list(one) == list(other) if isinstance(other, tuple) else bool(one == other)


@pytest.mark.parametrize(
    ("ours", "theirs", "config"),
    [
        (UNet2DConditionModel, diffusers.UNet2DConditionModel, TWO_LEVELS),
        (AutoencoderKL, diffusers.AutoencoderKL, autoencoder_config("Stable Diffusion 1")),
    ],
)
def test_saved_here_loads_there(ours: Any, theirs: Any, config: Any, tmp_path: Path) -> None:
    model = ours(**config)
    model.save_pretrained(tmp_path)
    loaded = theirs.from_pretrained(tmp_path)
    assert all(torch.equal(model.state_dict()[key], t) for key, t in loaded.state_dict().items())
    assert all(_equal(loaded.config[key], value) for key, value in model.config.items())


def test_full_size_stable_diffusion_1_has_the_same_tensors() -> None:
    with torch.device("meta"):
        config = {"cross_attention_dim": 768, "sample_size": 64}
        stages = 4
        autoencoder = {
            "block_out_channels": (128, 256, 512, 512),
            "layers_per_block": 2,
            "down_block_types": ("DownEncoderBlock2D",) * stages,
            "up_block_types": ("UpDecoderBlock2D",) * stages,
        }
        pairs = [
            (UNet2DConditionModel(**config), diffusers.UNet2DConditionModel(**config)),
            (AutoencoderKL(**autoencoder), diffusers.AutoencoderKL(**autoencoder)),
        ]
    for ours, theirs in pairs:
        shapes = [{k: t.shape for k, t in m.state_dict().items()} for m in (ours, theirs)]
        assert shapes[0] == shapes[1]
