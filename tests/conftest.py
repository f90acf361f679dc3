"""Small random checkpoints, made once a run: the real components at toy size."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "_diffusers_version": "0.42.1",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


TASKS = {
    4: "StableDiffusionPipeline",
    5: "StableDiffusionDepth2ImgPipeline",
    9: "StableDiffusionInpaintPipeline",
}


def make_checkpoint(folder: Path, seed: int = 0, channels: int = 4) -> Path:
    """Write a random Stable Diffusion checkpoint for pictures of 64 x 64 pixels, by diffusers.

    channels: that the UNet takes; what it is for follows from them, as in `TASKS`.
    """
    import diffusers
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(seed)
    unet = diffusers.UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=24,
        attention_head_dim=2,
        norm_num_groups=8,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
        latent_channels=4,
        scaling_factor=0.5,
    )
    text = make_tokenizer_files(folder / "tokenizer")
    encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(text),
            hidden_size=24,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=16,
            bos_token_id=text["<|startoftext|>"],
            eos_token_id=text["<|endoftext|>"],
            pad_token_id=text["<|endoftext|>"],
        )
    )
    unchecked = {"safety_checker": None, "feature_extractor": None}
    pipeline = getattr(diffusers, TASKS[channels])(
        vae=vae,
        text_encoder=encoder.eval(),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=unet,
        scheduler=diffusers.DDIMScheduler.from_config(SCHEDULER),
        **make_estimator() if channels == 5 else unchecked | {"requires_safety_checker": False},
    )
    pipeline.save_pretrained(folder)
    return folder


def make_estimator() -> dict[str, Any]:
    """A random estimator of depth for pictures of 32 x 32 pixels, and its image processor."""
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

    config = DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
    )
    return {
        "depth_estimator": DPTForDepthEstimation(config).eval(),
        "feature_extractor": DPTImageProcessorPil(size={"height": 32, "width": 32}),
    }


def make_ddpm_checkpoint(folder: Path, seed: int = 0) -> Path:
    """Write a random unconditional checkpoint for 16 x 16 pixels, flat, by diffusers."""
    import diffusers

    torch.manual_seed(seed)
    unet = diffusers.UNet2DModel(
        sample_size=16,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    scheduler = diffusers.DDPMScheduler(num_train_timesteps=1000, clip_sample=True)
    for part in (unet, scheduler):
        part.save_pretrained(folder)
    index = {
        "_class_name": "DDPMPipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))
    return folder


def make_tokenizer_files(folder: Path) -> dict[str, int]:
    """Write a CLIP tokenizer that knows single letters; returns its vocabulary."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}
    special |= {"unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    settings = special | {"model_max_length": 16, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    return vocabulary


class _Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """The tests of a file share a process, which makes their fixtures once; so do all that drive
    a Chromium: each is several processes by itself."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "chromium" if file.startswith(("tests/browser/", "tests/test_places")) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _Scheduling(config, log)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint, `models/tiny`; not to be changed."""
    return make_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_inpaint_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint with a UNet of 9 channels, `models/tiny-inpaint`; not to be changed."""
    return make_checkpoint(tmp_path_factory.mktemp("models") / "tiny-inpaint", channels=9)


@pytest.fixture(scope="session")
def tiny_depth_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint with an estimator, `models/tiny-depth`; not to be changed."""
    return make_checkpoint(tmp_path_factory.mktemp("models") / "tiny-depth", channels=5)


@pytest.fixture(scope="session")
def tiny_ddpm_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random unconditional checkpoint, `models/tiny-ddpm`; not to be changed."""
    return make_ddpm_checkpoint(tmp_path_factory.mktemp("models") / "tiny-ddpm")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Toy models gain nothing from threads that wait for each other, and a busy machine makes them
    wait long; here and in the programs that tests start."""
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    """A headless Chromium."""
    from tests.browser.studio import chromium_path, open_chromium

    path = chromium_path()
    if path is None:
        pytest.fail(
            "The browser tests need Chromium: install it (apt-get install chromium), or name its "
            "program in the environment variable CHROMIUM.",
            pytrace=False,
        )
    with open_chromium(path) as browser:
        yield browser
