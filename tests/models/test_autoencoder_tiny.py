"""AutoencoderTiny: the tensors and pictures of diffusers, in the place of any autoencoder."""

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from engine import AutoencoderTiny, DiffusionPipeline, StableDiffusionImg2ImgPipeline
from engine.checkpoints.catalog import find_model
from engine.errors import CheckpointError
from tests.compare import relative_error
from tests.models.published import TAESD
from tests.pipelines.parity import oracle_of, painting, parity, set_scheduler
from tests.schedulers.oracle import QUIET

pytestmark = QUIET

SMALL = {
    "encoder_block_out_channels": (8, 8, 8),
    "decoder_block_out_channels": (8, 8, 8),
    "num_encoder_blocks": (1, 2, 1),
    "num_decoder_blocks": (2, 1, 1),
}
CONFIGS: dict[str, dict[str, Any]] = {
    "small": SMALL,
    "other channels": SMALL | {"latent_channels": 16, "in_channels": 1, "out_channels": 1},
    "gelu": SMALL | {"act_fn": "gelu", "latent_magnitude": 2, "latent_shift": 0.4},
    "taesd": TAESD,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one, by diffusers, that makes pictures of some contrast."""
    torch.manual_seed(0)
    theirs = diffusers.AutoencoderTiny(**SMALL).eval()
    with torch.no_grad():
        theirs.decoder.layers[-1].weight.mul_(30)
    folder = tmp_path_factory.mktemp("taesd")
    theirs.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_equals_diffusers(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = diffusers.AutoencoderTiny(**CONFIGS[name]).eval()
    theirs.save_pretrained(tmp_path)
    ours = AutoencoderTiny.from_pretrained(tmp_path)
    assert ours.downscale == 2 ** (len(ours.config.num_decoder_blocks) - 1)
    pixels = torch.randn(2, ours.config.in_channels, 32, 48)
    expected = theirs.encode(pixels).latents
    assert relative_error(ours.encode(pixels).latents, expected) <= 1e-5
    assert relative_error(ours.encode(pixels, False)[0], expected) <= 1e-5
    latents = 4 * torch.randn_like(expected)
    for call in ((), (None, False)):
        expected = theirs.decode(latents, *call)[0]
        assert relative_error(ours.decode(latents, *call)[0], expected) <= 1e-5
    assert relative_error(ours(pixels, False)[0], theirs(pixels, False)[0]) <= 0.02  # 8 bits
    for turn in ("scale_latents", "unscale_latents"):
        expected = getattr(theirs, turn)(latents)
        assert relative_error(getattr(ours, turn)(latents), expected) <= 1e-6


@pytest.mark.parametrize("name", CONFIGS)
def test_saved_here_loads_there(name: str, tmp_path: Path) -> None:
    ours = AutoencoderTiny(**CONFIGS[name])
    ours.save_pretrained(tmp_path)
    loaded = diffusers.AutoencoderTiny.from_pretrained(tmp_path)
    state = ours.state_dict()
    assert state.keys() == loaded.state_dict().keys()
    assert all(torch.equal(state[key], value) for key, value in loaded.state_dict().items())
    again = AutoencoderTiny.from_pretrained(tmp_path)
    assert dict(again.config) == dict(ours.config)


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"num_encoder_blocks": (1, 3)}, "encoder_block_out_channels"),
        ({"decoder_block_out_channels": (64, 64, 32, 64)}, "decoder_block_out_channels"),
        ({"upsampling_scaling_factor": 4}, "upsampling_scaling_factor is 4"),
        ({"upsample_fn": "bilinear"}, "upsample_fn is 'bilinear'"),
    ],
)
def test_a_configuration_that_cannot_be_built_says_why(config: Any, names: str) -> None:
    with torch.device("meta"), pytest.raises(CheckpointError, match=names):
        AutoencoderTiny(**config)


@pytest.fixture(scope="module")
def pipelines(folder: Path, tiny_checkpoint: Path) -> tuple[Any, Any]:
    """Text-to-image here and in diffusers, with the small autoencoder."""
    ours: Any = DiffusionPipeline.from_pretrained(tiny_checkpoint)
    theirs = oracle_of(ours)
    ours.vae = AutoencoderTiny.from_pretrained(folder)
    theirs.vae = diffusers.AutoencoderTiny.from_pretrained(folder).eval()
    return ours, theirs


def test_text_to_image_is_that_of_diffusers(pipelines: tuple[Any, Any]) -> None:
    ours, theirs = pipelines
    for name in ("DDIM", "Euler a"):
        set_scheduler(name, ours, theirs)
        call = {"prompt": ["a", "b"], "num_inference_steps": 4, "height": 48, "width": 64}
        assert parity(ours, theirs, **call) <= 1e-4


def test_image_to_image_is_that_of_diffusers(pipelines: tuple[Any, Any]) -> None:
    ours = StableDiffusionImg2ImgPipeline.from_pipe(pipelines[0])
    theirs = diffusers.StableDiffusionImg2ImgPipeline(
        **pipelines[1].components, requires_safety_checker=False
    )
    theirs.set_progress_bar_config(disable=True)
    set_scheduler("Euler a", ours, theirs)
    call = {"prompt": "a", "image": painting(), "strength": 0.6, "num_inference_steps": 5}
    assert parity(ours, theirs, **call, num_images_per_prompt=2) <= 1e-4


def test_an_index_may_name_it(folder: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    place = tmp_path / "small"
    shutil.copytree(tiny_checkpoint, place)
    shutil.rmtree(place / "vae")
    shutil.copytree(folder, place / "vae")
    index = json.loads((place / "model_index.json").read_text())
    index["vae"] = ["diffusers", "AutoencoderTiny"]
    (place / "model_index.json").write_text(json.dumps(index))
    pipeline: Any = DiffusionPipeline.from_pretrained(place)
    assert isinstance(pipeline.vae, AutoencoderTiny)
    image = pipeline("a", num_inference_steps=2).images[0]
    assert image.size == (64, 64)
    info = find_model(tmp_path, "small")
    assert (info.width, info.height) == (64, 64)
    pipeline.save_pretrained(tmp_path / "again")
    assert diffusers.StableDiffusionPipeline.from_pretrained(tmp_path / "again").vae
    assert find_model(tmp_path, "again").width == 64
    index["vae"] = ["diffusers", "UNet2DModel"]
    (place / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"takes vae as Autoencoder, but .* names UNet"):
        DiffusionPipeline.from_pretrained(place)


def test_its_preview_is_fitted_too(folder: Path) -> None:
    vae = AutoencoderTiny.from_pretrained(folder)
    [picture] = vae.previewer(torch.randn(1, 4, 8, 12))
    assert picture.size == (48, 32)
