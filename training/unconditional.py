"""Train the unconditional UNet on small pictures, in pixel space.

python -m training.unconditional --minutes 80
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, mse_loss

from engine.models import UNet2DModel
from engine.schedulers import DDPMScheduler
from training.dataset import DATA, load_shards, to_pixels
from training.diffusion import draw_scenes, draw_timesteps, scene_weights
from training.loop import Options, add_options, fit, options_of
from training.scene import Scene

__all__ = ["SCHEDULER", "SIZE", "UNCONDITIONAL", "UNET", "shrink", "train"]

UNCONDITIONAL = Path("training/runs/unconditional")
SIZE = 32
UNET: dict[str, Any] = {
    "sample_size": SIZE,
    "block_out_channels": (32, 64, 128),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "norm_num_groups": 16,
    "attention_head_dim": 32,
}
SCHEDULER: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "clip_sample": True,
}


def shrink(pixels: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) at the size that the model draws, each pixel the mean of a square."""
    return avg_pool2d(pixels, pixels.shape[-1] // SIZE)


def train(
    images: Tensor, scenes: Sequence[Scene], options: Options, batch: int, folder: Path
) -> UNet2DModel:
    """Train on uint8 pictures (N, 3, H, W)."""
    torch.manual_seed(options.seed)
    unet, scheduler = UNet2DModel(**UNET), DDPMScheduler(**SCHEDULER)
    weights = scene_weights(scenes)

    def loss(generator: torch.Generator) -> Tensor:
        clean = shrink(to_pixels(images[draw_scenes(weights, batch, generator)]))
        noise = torch.randn(clean.shape, generator=generator)
        timesteps = draw_timesteps(batch, len(scheduler), generator)
        noisy = scheduler.add_noise(clean, noise, timesteps)
        velocity = scheduler.get_velocity(clean, noise, timesteps)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        return mse_loss(unet(noisy, timesteps).sample, velocity)

    fit(unet, loss, options, folder)
    return unet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, minutes=80, rate=1e-3)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=UNCONDITIONAL)
    parsed = parser.parse_args()
    images, scenes = load_shards(parsed.data)
    train(images, scenes, options_of(parsed, warmup=200), parsed.batch or 32, parsed.folder)


if __name__ == "__main__":
    main()
