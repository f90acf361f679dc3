"""What the stages share that teach a text-to-image model to look at more than noise.

Its UNet is given channels of input and goes on to learn; text encoder, tokenizer and autoencoder
stay as they are, so that the new model has the same files of them.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from engine.models import UNet2DConditionModel
from engine.pipelines import StableDiffusionPipeline
from training.dataset import DATA, Told, load_scenes, load_shards
from training.diffusion import (
    add_noise,
    draw_scenes,
    kept_latents,
    scene_weights,
    tell_most,
    with_mirrored,
)
from training.folders import TABLETOP
from training.loop import Options, add_options, fit
from training.scene import Scene
from training.text import encode

__all__ = ["Show", "Start", "add_stage_options", "begin", "fine_tune", "rows_of", "widened"]

Show = Callable[[Tensor, torch.Generator], tuple[Tensor, Sequence[Told]]]
"""Of rows (B,) of the latents: what the UNet sees beside them, (B, n, h, w), and what is said."""


@dataclass(frozen=True)
class Start:
    """What a stage begins with.

    latents: (2N, C, h, w), of N pictures and then of their mirror images, as the autoencoder of the
    model makes them. scenes: what those show.
    """

    model: StableDiffusionPipeline
    latents: Tensor
    scenes: Sequence[Scene]


def widened(unet: UNet2DConditionModel, channels: int) -> UNet2DConditionModel:
    """A UNet that takes so many channels more, and draws at first as if they were not there."""
    total = unet.config.in_channels + channels
    wide = UNet2DConditionModel.from_config({**unet.config, "in_channels": total})
    weights = unet.state_dict()
    own = weights["conv_in.weight"]
    weights["conv_in.weight"] = torch.cat(
        (own, own.new_zeros(len(own), channels, *own.shape[2:])), 1
    )
    wide.load_state_dict(weights)
    return wide


def rows_of(values: Tensor, rows: Tensor) -> Tensor:
    """Rows of what belongs to N pictures, (N, ..., W), mirrored where a row is N or more."""
    chosen = values[rows % len(values)]
    mirrored = (rows >= len(values)).reshape(-1, *[1] * (values.ndim - 1))
    return torch.where(mirrored, chosen.flip(-1), chosen)


def fine_tune(
    start: Start, channels: int, show: Show, options: Options, batch: int, folder: Path
) -> UNet2DConditionModel:
    """Teach a widened copy of the UNet to use `channels` more channels, which `show` makes."""
    torch.manual_seed(options.seed)
    model, device = start.model, options.device
    unet = widened(model.unet, channels)
    encoder = model.text_encoder.to(device)
    weights = scene_weights(start.scenes)

    def loss(generator: torch.Generator) -> Tensor:
        rows = draw_scenes(weights, batch, generator)
        shown, told = show(rows, generator)
        tokens = encode(model.tokenizer, tell_most(told, generator)).to(device)
        with torch.no_grad():
            states = encoder(tokens).last_hidden_state
        noisy, timesteps, velocity = add_noise(start.latents[rows], model.scheduler, generator)
        sample = torch.cat((noisy.to(device), shown.to(device)), 1)
        sample = sample.contiguous(memory_format=torch.channels_last)
        drawn = unet(sample, timesteps.to(device), states).sample
        return mse_loss(drawn.float(), velocity.to(device))

    fit(unet, loss, options, folder)
    return unet


def add_stage_options(parser: argparse.ArgumentParser, folder: Path) -> None:
    """Add the options that every such stage takes."""
    add_options(parser, minutes=60, rate=4e-4)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=folder)
    parser.add_argument(
        "--start", type=Path, default=TABLETOP, help="the text-to-image model to begin with"
    )


def begin(parsed: argparse.Namespace) -> Start:
    """Load the model, and encode the pictures unless the folder of the run has their latents."""
    model = StableDiffusionPipeline.from_pretrained(parsed.start)
    latents = kept_latents(
        model.vae, load_shards(parsed.data), parsed.folder / "latents.safetensors"
    )
    return Start(model, latents, with_mirrored(load_scenes(parsed.data)))
