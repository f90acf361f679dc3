"""Every published configuration: equal outputs at toy size, equal tensors at full size."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from engine.models import AutoencoderKL, UNet2DConditionModel, UNet2DModel
from tests.compare import relative_error
from tests.models.published import AUTOENCODERS, CONDITIONAL, UNCONDITIONAL, toy

SIZES = [(16, 16), (24, 8)]
TIMESTEPS = (0, torch.tensor(501), torch.tensor([3, 999]))


def conditions(config: dict[str, Any], batch: int) -> dict[str, Any]:
    """What such a UNet is given beside the sample and the timestep."""
    given: dict[str, Any] = {"encoder_hidden_states": torch.randn(batch, 7, 24)}
    if config.get("time_cond_proj_dim"):
        given["timestep_cond"] = torch.randn(batch, config["time_cond_proj_dim"])
    if config.get("addition_embed_type"):
        sizes = torch.tensor([[512.0, 768.0, 0.0, 16.0, 512.0, 768.0]]).repeat(batch, 1)
        given["added_cond_kwargs"] = {"text_embeds": torch.randn(batch, 16), "time_ids": sizes}
    return given


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", CONDITIONAL)
@torch.no_grad()
def test_conditional_unet_equals_diffusers(
    name: str, size: tuple[int, int], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    config = toy(CONDITIONAL[name])
    theirs = diffusers.UNet2DConditionModel.from_config(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = UNet2DConditionModel.from_pretrained(tmp_path)
    sample, given = torch.randn(2, config["in_channels"], *size), conditions(config, 2)
    for timestep in TIMESTEPS:
        expected = theirs(sample, timestep, **given).sample
        assert relative_error(ours(sample, timestep, **given).sample, expected) <= 1e-5


@pytest.mark.parametrize("name", CONDITIONAL)
@torch.no_grad()
def test_conditioning_of_a_run_equals_that_of_each_step(name: str) -> None:
    torch.manual_seed(0)
    config = toy(CONDITIONAL[name])
    unet = UNet2DConditionModel.from_config(config).eval()
    sample, given = torch.randn(2, config["in_channels"], 16, 16), conditions(config, 2)
    timesteps = torch.tensor([900, 500, 100])
    conditioning = unet.condition(timesteps, **given)
    for index, timestep in enumerate(timesteps):
        expected = unet(sample, timestep, **given).sample
        assert relative_error(unet.predict(sample, conditioning.at(index)), expected) <= 1e-6


@torch.no_grad()
@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_unconditional_unet_equals_diffusers(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = diffusers.UNet2DModel.from_config(toy(UNCONDITIONAL[name])).eval()
    theirs.save_pretrained(tmp_path)
    ours = UNet2DModel.from_pretrained(tmp_path)
    sample = torch.randn(2, 3, 32, 64)
    for timestep in TIMESTEPS:
        expected = theirs(sample, timestep).sample
        assert relative_error(ours(sample, timestep).sample, expected) <= 1e-5


@pytest.mark.parametrize("name", AUTOENCODERS)
@torch.no_grad()
def test_autoencoder_equals_diffusers(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = diffusers.AutoencoderKL.from_config(toy(AUTOENCODERS[name])).eval()
    theirs.save_pretrained(tmp_path)
    ours = AutoencoderKL.from_pretrained(tmp_path)
    pixels = torch.randn(2, 3, 32, 48)
    expected = theirs.encode(pixels).latent_dist.mean
    assert relative_error(ours.encode(pixels).latent_dist.mean, expected) <= 1e-5
    latents = torch.randn_like(expected)
    assert relative_error(ours.decode(latents).sample, theirs.decode(latents).sample) <= 1e-5


FULL_SIZE = [
    *(("UNet2DConditionModel", name, config) for name, config in CONDITIONAL.items()),
    *(("UNet2DModel", name, config) for name, config in UNCONDITIONAL.items()),
    *(("AutoencoderKL", name, config) for name, config in AUTOENCODERS.items()),
]


@pytest.mark.parametrize(("cls", "name", "config"), FULL_SIZE, ids=lambda value: str(value)[:40])
def test_tensors_of_the_full_size_are_those_of_diffusers(
    cls: str, name: str, config: dict[str, Any]
) -> None:
    kinds = {kind.__name__: kind for kind in (UNet2DConditionModel, UNet2DModel, AutoencoderKL)}
    with torch.device("meta"):
        ours = kinds[cls].from_config(config)
        theirs = getattr(diffusers, cls).from_config(config)
    assert shapes(ours.state_dict()) == shapes(theirs.state_dict())
    # and back: what is written here is read there as the same network
    with torch.device("meta"):
        again = getattr(diffusers, cls).from_config(ours.config.to_dict())
    assert shapes(again.state_dict()) == shapes(ours.state_dict())


def shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in state.items()}
