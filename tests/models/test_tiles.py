"""Tiles and slices of an autoencoder: the pictures of diffusers, at bounded memory."""

import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from engine import AutoencoderKL, AutoencoderTiny, DDPMPipeline, DiffusionPipeline
from engine.errors import EngineError
from engine.models.tiles import run_in_tiles
from tests.compare import relative_error
from tests.pipelines.parity import oracle_of, parity

SIZES = [(64, 64), (40, 96), (32, 72), (24, 24), (56, 34)]
CONFIG: dict[str, Any] = {
    "block_out_channels": (8, 16, 16),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "norm_num_groups": 4,
}


class Peak(TorchDispatchMode):
    """How many bytes of tensors that operations make are there at once, at most."""

    def __init__(self) -> None:
        super().__init__()
        self.held = Counter[tuple[int, int]]()
        self.now = self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            storage = made.untyped_storage()
            key = storage.data_ptr(), storage.nbytes()
            self._count(key, 1)
            weakref.finalize(made, self._count, key, -1)
        return made

    def _count(self, key: tuple[int, int], more: int) -> None:
        """One tensor more or less that uses a storage, by its place and size."""
        before = self.held[key] > 0
        self.held[key] += more
        self.now += ((self.held[key] > 0) - before) * key[1]
        self.most = max(self.most, self.now)


@pytest.fixture(scope="module", params=[8, 16, (32, 32)], ids=str)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same autoencoder here and in diffusers, for tiles of several sizes."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vae")
    size = request.param * 2 if isinstance(request.param, int) else 32
    theirs = diffusers.AutoencoderKL(**CONFIG, sample_size=size).eval()
    theirs.save_pretrained(folder)
    ours = AutoencoderKL.from_pretrained(folder)
    for model in (ours, theirs):
        model.enable_tiling()
    return ours, theirs


@pytest.mark.parametrize("size", SIZES, ids=str)
@torch.no_grad()
def test_tiles_equal_those_of_diffusers(size: tuple[int, int], pair: Any) -> None:
    torch.manual_seed(1)
    ours, theirs = pair
    height, width = size
    latents = torch.randn(2, 4, height // 4, width // 4)
    assert relative_error(ours.decode(latents).sample, theirs.decode(latents).sample) <= 1e-5
    pixels = torch.randn(2, 3, height, width)
    found, expected = (model.encode(pixels).latent_dist for model in pair)
    assert relative_error(found.mean, expected.mean) <= 1e-5
    assert relative_error(found.std, expected.std) <= 1e-5


@torch.no_grad()
def test_slices_change_nothing(pair: Any) -> None:
    torch.manual_seed(2)
    ours, _ = pair
    latents, pixels = torch.randn(3, 4, 12, 12), torch.randn(3, 3, 48, 48)
    before = ours.decode(latents).sample, ours.encode(pixels).latent_dist.mean
    ours.enable_slicing()
    after = ours.decode(latents).sample, ours.encode(pixels).latent_dist.mean
    ours.disable_slicing()
    for one, other in zip(before, after, strict=True):
        assert relative_error(one, other) <= 1e-5


@torch.no_grad()
def test_what_is_enabled_can_be_disabled() -> None:
    torch.manual_seed(3)
    vae, latents = AutoencoderKL(**CONFIG).eval(), torch.randn(1, 4, 24, 24)
    whole = vae.decode(latents).sample
    vae.enable_tiling()
    tiled = vae.decode(latents).sample
    vae.disable_tiling()
    assert relative_error(tiled, whole) > 1e-3
    assert torch.equal(vae.decode(latents).sample, whole)


def test_tiles_of_what_looks_at_no_neighbour_are_the_whole() -> None:
    values = torch.randn(2, 3, 37, 50)
    for scale, run in ((1.0, torch.tanh), (2.0, torch.nn.Upsample(scale_factor=2))):
        tiled = run_in_tiles(run, values, side=16, step=12, scale=scale)
        assert relative_error(tiled, run(values)) <= 1e-6


@pytest.mark.parametrize("kind", [AutoencoderKL, AutoencoderTiny])
@torch.no_grad()
def test_memory_hardly_grows_with_the_picture(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.models.autoencoder_tiny.TILE", 8)
    vae = kind(**CONFIG).eval() if kind is AutoencoderKL else kind().eval()
    most = {}
    for tiled in (False, True):
        (vae.enable_tiling if tiled else vae.disable_tiling)()
        for name, run in (("decode", vae.pixels), ("encode", vae.moments)):
            side = 384 // (vae.downscale if name == "decode" else 1)
            values = torch.randn(1, 4 if name == "decode" else 3, side, side)
            with Peak() as peak:
                run(values)
            most[name, tiled] = peak.most
    assert most["decode", True] <= most["decode", False] / 5
    assert most["encode", True] <= most["encode", False] / 5


def test_a_pipeline_passes_it_on(tiny_checkpoint: Path) -> None:
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_checkpoint)
    theirs = oracle_of(pipeline)
    call = {"prompt": "a", "num_inference_steps": 2, "height": 96, "width": 64}
    theirs.vae.enable_tiling()
    pipeline.enable_vae_tiling()
    pipeline.enable_vae_slicing()
    pipeline.enable_attention_slicing()
    assert pipeline.vae.use_tiling and pipeline.vae.use_slicing
    assert parity(pipeline, theirs, **call) <= 1e-4
    pipeline.disable_vae_tiling()
    pipeline.disable_vae_slicing()
    pipeline.disable_attention_slicing()
    assert not (pipeline.vae.use_tiling or pipeline.vae.use_slicing)


def test_a_pipeline_without_an_autoencoder_says_so(tiny_ddpm_checkpoint: Path) -> None:
    pipeline = DDPMPipeline.from_pretrained(tiny_ddpm_checkpoint)
    pipeline.enable_attention_slicing()
    with pytest.raises(EngineError, match="DDPMPipeline has no autoencoder"):
        pipeline.enable_vae_tiling()
