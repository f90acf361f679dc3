"""Train the autoencoder between pictures and latents, and measure it on held-out pictures.

    python -m training.autoencoder --minutes 15
    python -m training.autoencoder --minutes 12 --crop 64 --rate 1.5e-3 --batch 4 \\
        --start training/runs/autoencoder --folder training/runs/autoencoder-whole

The first run sees cuts, which is quick; the second whole pictures, as the model will be used.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from engine.models import AutoencoderKL
from training.dataset import DATA, load_shards, to_pixels
from training.loop import Options, add_options, fit, options_of
from training.render import render
from training.scene import sample_scenes

__all__ = ["AUTOENCODER", "CONFIG", "psnr", "train"]

AUTOENCODER = Path("training/runs/autoencoder")
CONFIG: dict[str, Any] = {
    "block_out_channels": (16, 32, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 8,
    "sample_size": 64,
    "mid_block_add_attention": False,
    "force_upcast": False,
}
_KL_WEIGHT = 1e-6
_HELD_OUT_SEED = 10**6


def _crops(images: Tensor, crop: int, batch: int, generator: torch.Generator) -> Tensor:
    """Random square cuts of random pictures, in -1..1."""
    side = images.shape[-1] - crop + 1
    rows = torch.randint(len(images), (batch,), generator=generator).tolist()
    tops = torch.randint(side, (batch, 2), generator=generator).tolist()
    cuts = [
        images[row, :, y : y + crop, x : x + crop] for row, (y, x) in zip(rows, tops, strict=True)
    ]
    return to_pixels(torch.stack(cuts)).contiguous(memory_format=torch.channels_last)


def _edges(images: Tensor) -> Tensor:
    """Differences of neighbours, downwards and to the right."""
    down, right = images.diff(dim=-2)[..., :-1], images.diff(dim=-1)[..., :-1, :]
    return torch.cat((down, right), dim=1)


@torch.inference_mode()
def psnr(model: AutoencoderKL, images: Tensor) -> float:
    """Peak signal-to-noise ratio in dB over pictures in -1..1: 10 log10(4 / mean square)."""
    parts = [mse_loss(model(part).sample.clamp(-1, 1), part).item() for part in images.split(50)]
    return 10 * math.log10(4 / (sum(parts) / len(parts)))


@torch.inference_mode()
def _spread(model: AutoencoderKL, images: Tensor) -> float:
    """Standard deviation of the latents of pictures in -1..1."""
    return (
        torch.cat([model.encode(part).latent_dist.mode() for part in images.split(50)]).std().item()
    )


def train(
    images: Tensor,
    options: Options,
    folder: Path,
    *,
    batch: int = 8,
    crop: int = 32,
    start: Path | None = None,
) -> AutoencoderKL:
    """Train on uint8 pictures and save to `folder/vae` with the latents' measured scale.

    crop: pixels along an edge of what a step sees. start: a folder of an earlier run to go on from.
    """
    torch.manual_seed(options.seed)
    model = AutoencoderKL(**CONFIG)
    if start is not None:
        model.load_state_dict(AutoencoderKL.from_pretrained(start / "vae").state_dict())

    def loss(generator: torch.Generator) -> Tensor:
        pixels = _crops(images, crop, batch, generator)
        latents = model.encode(pixels).latent_dist
        drawn = model.decode(latents.sample(generator)).sample
        sharp = l1_loss(_edges(drawn), _edges(pixels))
        return (
            l1_loss(drawn, pixels)
            + 2 * mse_loss(drawn, pixels)
            + 0.5 * sharp
            + _KL_WEIGHT * latents.kl().mean()
        )

    fit(model, loss, options, folder)
    sample = to_pixels(images[:: max(1, len(images) // 500)])
    finished = AutoencoderKL(**CONFIG, scaling_factor=round(1 / _spread(model, sample), 5))
    finished.load_state_dict(model.state_dict())
    finished.save_pretrained(folder / "vae")
    return finished.eval()


def held_out(total: int) -> Tensor:
    """Pictures in -1..1 that no shard holds."""
    return render(sample_scenes(total, seed=_HELD_OUT_SEED)).images * 2 - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, minutes=15, rate=3e-3)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=AUTOENCODER)
    parser.add_argument("--crop", type=int, default=32, help="pixels along an edge of a cut")
    parser.add_argument("--start", type=Path, help="folder of an earlier run to go on from")
    parsed = parser.parse_args()
    images, _ = load_shards(parsed.data)
    model = train(
        images,
        options_of(parsed, average=0.998),
        parsed.folder,
        batch=parsed.batch or 8,
        crop=parsed.crop,
        start=parsed.start,
    )
    print(f"scaling factor {model.config.scaling_factor}")
    print(f"PSNR on 200 held-out pictures: {psnr(model, held_out(200)):.2f} dB")


if __name__ == "__main__":
    main()
