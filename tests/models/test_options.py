"""Options that no published configuration uses yet: equal outputs, files read both ways."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from engine.errors import CheckpointError, EngineError
from engine.models import AutoencoderKL, UNet2DConditionModel, UNet2DModel
from tests.compare import relative_error
from tests.models.published import CONDITIONAL, toy

TWO_LEVELS: dict[str, Any] = {
    "sample_size": 16,
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 24,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
}
STAGES: dict[str, Any] = {
    "sample_size": 16,
    "block_out_channels": (16, 32),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "norm_num_groups": 8,
}
UNETS: dict[str, dict[str, Any]] = {
    "two levels": TWO_LEVELS,
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
UNCONDITIONAL: dict[str, dict[str, Any]] = {
    "several heads": STAGES | {"attention_head_dim": 8},
    "no attention in the middle": STAGES | {"add_attention": False, "downsample_padding": 0},
    "one layer, other channels": STAGES
    | {"layers_per_block": 1, "in_channels": 4, "out_channels": 6},
}
AUTOENCODERS: dict[str, dict[str, Any]] = {
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


@pytest.mark.parametrize("name", UNCONDITIONAL)
@torch.no_grad()
def test_unconditional_unet_equals_diffusers(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = diffusers.UNet2DModel(**UNCONDITIONAL[name]).eval()
    theirs.save_pretrained(tmp_path)
    ours = UNet2DModel.from_pretrained(tmp_path)
    sample, timestep = torch.randn(2, theirs.config.in_channels, 16, 24), torch.tensor([3, 999])
    expected = theirs(sample, timestep).sample
    for got in (ours(sample=sample, timestep=timestep), ours(sample, timestep, None, False)):
        assert relative_error(got[0], expected) <= 1e-5


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
    for name in ("std", "var"):
        assert relative_error(getattr(got, name), getattr(expected, name)) <= 1e-5
    samples = torch.randn_like(expected.mean)
    for dims in ([1, 2, 3], [1]):
        assert relative_error(got.nll(samples, dims), expected.nll(samples, dims)) <= 1e-5
    others = [model.encode(-pixels).latent_dist for model in (ours, theirs)]
    assert relative_error(got.kl(), expected.kl()) <= 1e-5
    assert relative_error(got.kl(others[0]), expected.kl(others[1])) <= 1e-5
    drawn = [dist.sample(torch.Generator().manual_seed(1)) for dist in (got, expected)]
    assert relative_error(*drawn) <= 1e-5
    latents = torch.randn_like(expected.mean)
    assert relative_error(ours.decode(latents).sample, theirs.decode(latents).sample) <= 1e-5
    generators = [torch.Generator().manual_seed(2) for _ in range(2)]
    for call in ([True, False], [False, False]):
        both = [m(pixels, *call, g)[0] for m, g in zip((ours, theirs), generators, strict=True)]
        assert relative_error(*both) <= 1e-5


def _equal(one: Any, other: Any) -> bool:
    return list(one) == list(other) if isinstance(other, tuple) else bool(one == other)


@pytest.mark.parametrize(
    ("ours", "theirs", "config"),
    [
        (UNet2DConditionModel, diffusers.UNet2DConditionModel, TWO_LEVELS),
        (UNet2DModel, diffusers.UNet2DModel, STAGES),
        (AutoencoderKL, diffusers.AutoencoderKL, autoencoder_config("no attention")),
    ],
)
def test_saved_here_loads_there(ours: Any, theirs: Any, config: Any, tmp_path: Path) -> None:
    model = ours(**config)
    model.save_pretrained(tmp_path)
    loaded = theirs.from_pretrained(tmp_path)
    assert all(torch.equal(model.state_dict()[key], t) for key, t in loaded.state_dict().items())
    assert all(_equal(loaded.config[key], value) for key, value in model.config.items())


@pytest.mark.parametrize(
    ("kind", "config", "names"),
    [
        (
            UNet2DModel,
            {"down_block_types": ("SkipDownBlock2D",) * 4},
            "SkipDownBlock2D.*DownBlock2D",
        ),
        (UNet2DModel, {"block_out_channels": (32, 64)}, "4 entries and block_out_channels 2"),
        (UNet2DModel, {"resnet_time_scale_shift": "scale_shift"}, "scale_shift"),
        (UNet2DConditionModel, {"attention_head_dim": [4, 8]}, "2 entries for 4 stages"),
        (UNet2DConditionModel, {"addition_embed_type": "image"}, "image"),
        (UNet2DConditionModel, {"addition_embed_type": "text_time"}, "addition_time_embed_dim"),
        (
            AutoencoderKL,
            {"down_block_types": ("AttnDownEncoderBlock2D",)},
            "AttnDownEncoderBlock2D",
        ),
    ],
)
def test_a_configuration_that_cannot_be_built_says_why(kind: Any, config: Any, names: str) -> None:
    with torch.device("meta"), pytest.raises(CheckpointError, match=names):
        kind.from_config(config)


def test_an_override_is_checked_as_the_file_is() -> None:
    kind, config = UNet2DModel, {"sample_size": 8, "future": 1}
    with torch.device("meta"):
        assert kind.from_config(config, dropout=0.0).config.future == 1
        with pytest.raises(CheckpointError, match=r"dropout is 0\.5, supported is only 0\.0"):
            kind.from_config(config, dropout=0.5)
        with pytest.raises(
            EngineError, match=r"no setting of UNet2DModel 'sampl_size'.* sample_size"
        ):
            kind.from_config(config, sampl_size=16)
        with pytest.raises(EngineError, match="read a folder"):
            kind.from_config("unet")


@torch.no_grad()
def test_a_model_with_sizes_asks_for_them() -> None:
    unet = UNet2DConditionModel.from_config(toy(CONDITIONAL["Stable Diffusion XL"]))
    with pytest.raises(EngineError, match="text_embeds, time_ids"):
        unet(torch.randn(1, 4, 16, 16), 5, torch.randn(1, 7, 24))


@torch.no_grad()
def test_a_model_that_reads_no_guidance_refuses_it() -> None:
    unet = UNet2DConditionModel(**TWO_LEVELS)
    with pytest.raises(EngineError, match=r"timestep_cond.*time_cond_proj_dim"):
        unet(torch.randn(1, 4, 16, 16), 5, torch.randn(1, 7, 24), None, torch.randn(1, 8))


def test_only_weights_that_are_trained_can_be_counted() -> None:
    unet = UNet2DModel(**STAGES)
    unet.conv_in.requires_grad_(False)
    trained = unet.num_parameters(only_trainable=True)
    assert trained == unet.num_parameters() - sum(one.numel() for one in unet.conv_in.parameters())
