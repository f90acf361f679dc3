"""Train the autoencoder between pictures and latents, and measure it on held-out pictures.

python -m training.autoencoder --minutes 60
"""

import argparse
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from engine.models import AutoencoderKL
from training.dataset import DATA, load_shards, to_pixels
from training.loop import Options, add_options, fit, options_of
from training.plot import tiles
from training.render import SIZE, render_all
from training.scene import sample_scenes

__all__ = ["AUTOENCODER", "CONFIG", "FACTOR", "held_out", "psnr", "train"]

AUTOENCODER = Path("training/runs/autoencoder")
CONFIG: dict[str, Any] = {
    "block_out_channels": (16, 32, 64, 128),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 8,
    "sample_size": SIZE,
    "mid_block_add_attention": False,
    "force_upcast": False,
    "scaling_factor": 1.0,
}
FACTOR = 8
"""Pixels along an edge for one latent."""
_KL_WEIGHT = 1e-7
_OVERLAP_WEIGHT = 0.02
_HELD_OUT_SEED = 10**6


def _cuts(images: Tensor, side: int, batch: int, generator: torch.Generator) -> Tensor:
    """Square cuts of random pictures, some of them mirrored, in -1..1: (batch, 3, side, side)."""
    room = images.shape[-1] - side + 1
    rows = torch.randint(len(images), (batch,), generator=generator).tolist()
    tops = torch.randint(room, (batch, 2), generator=generator).tolist()
    cuts = torch.stack(
        [images[row, :, y : y + side, x : x + side] for row, (y, x) in zip(rows, tops, strict=True)]
    )
    mirrored = torch.rand(batch, 1, 1, 1, generator=generator) < 0.5
    return to_pixels(torch.where(mirrored, cuts.flip(-1), cuts))


def _edges(images: Tensor) -> Tensor:
    """Differences of neighbours, downwards and to the right."""
    down, right = images.diff(dim=-2)[..., :-1], images.diff(dim=-1)[..., :-1, :]
    return torch.cat((down, right), dim=1)


def _overlap(latents: Tensor) -> Tensor:
    """How much the channels of latents (B, C, h, w) say the same; 0 where none tells of another.

    It is -log det of their correlations. Without it two of four channels stayed equal for thousands
    of steps, and with them the colours that the third dimension would have told apart.
    """
    correlations = torch.corrcoef(latents.transpose(0, 1).flatten(1).float())
    return -torch.logdet(correlations + 1e-4 * torch.eye(len(correlations), device=latents.device))


@torch.inference_mode()
def psnr(model: AutoencoderKL, images: Tensor) -> float:
    """Peak signal-to-noise ratio in dB over pictures in -1..1: 10 log10(4 / mean square)."""
    parts = [mse_loss(model(part).sample.clamp(-1, 1), part).item() for part in images.split(20)]
    return 10 * math.log10(4 / (sum(parts) / len(parts)))


@torch.no_grad()
def _standardize(model: AutoencoderKL, images: Tensor) -> None:
    """Give each channel of the latents of pictures in -1..1 a mean of 0 and a deviation of 1.

    What the model draws stays the same: what the last layer before the latents takes away, the
    first one behind them adds again.
    """
    parts = [model.encode(part).latent_dist.mode() for part in images.split(20)]
    latents = torch.cat(parts)
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    before, behind = model.quant_conv, model.post_quant_conv
    assert before is not None and behind is not None
    assert before.bias is not None and behind.bias is not None
    behind.bias += behind.weight[:, :, 0, 0] @ mean
    behind.weight *= deviation[:, None, None]
    means, logvars = before.bias.chunk(2)
    means.sub_(mean).div_(deviation)
    logvars.sub_(2 * deviation.log())
    before.weight[: len(mean)] /= deviation[:, None, None, None]


def train(
    images: Tensor, options: Options, folder: Path, *, batch: int = 4, start: Path | None = None
) -> AutoencoderKL:
    """Train on uint8 pictures and save to `folder/vae`, with latents of unit variance.

    Every other step sees `batch` whole pictures, the others four times as many quarters, of which
    more differ. start: a folder of weights to go on from.
    """
    torch.manual_seed(options.seed)
    model = AutoencoderKL(**CONFIG)
    # little noise at first: a channel that begins drowned in it is soon no longer read
    assert model.quant_conv is not None and model.quant_conv.bias is not None
    nn.init.constant_(model.quant_conv.bias[CONFIG["latent_channels"] :], -6.0)
    if start is not None:
        model.load_state_dict(AutoencoderKL.from_pretrained(start).float().state_dict())
    size = images.shape[-1]

    def loss(generator: torch.Generator) -> Tensor:
        whole = torch.rand((), generator=generator) < 0.5
        side, count = (size, batch) if whole else (size // 2, 4 * batch)
        pixels = _cuts(images, side, count, generator)
        pixels = pixels.to(options.device, memory_format=torch.channels_last)
        latents = model.encode(pixels).latent_dist
        drawn = model.decode(latents.sample(generator)).sample
        sharp = l1_loss(_edges(drawn), _edges(pixels))
        return (
            l1_loss(drawn, pixels)
            + 2 * mse_loss(drawn, pixels)
            + 0.5 * sharp
            + _KL_WEIGHT * latents.kl().mean()
            + _OVERLAP_WEIGHT * _overlap(latents.mode())
        )

    shown = to_pixels(images[:: max(1, len(images) // 8)][:8]).to(options.device)

    def sheet(model: nn.Module, path: Path) -> None:
        tiles(torch.cat((shown, model(shown).sample)).cpu(), len(shown)).save(path)

    fit(model, loss, options, folder, sheet)
    _standardize(model, to_pixels(images[:: max(1, len(images) // 300)]))
    model.save_pretrained(folder / "vae")
    return model


def held_out(total: int) -> Tensor:
    """Pictures in -1..1 that no shard holds."""
    scenes = sample_scenes(total, seed=_HELD_OUT_SEED, held_out=True)
    return render_all(scenes).images * 2 - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, minutes=60, rate=2e-3)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=AUTOENCODER)
    parser.add_argument("--start", type=Path, help="folder of an autoencoder to go on from")
    parsed = parser.parse_args()
    model = train(
        load_shards(parsed.data),
        options_of(parsed, average=0.998),
        parsed.folder,
        batch=parsed.batch or 4,
        start=parsed.start,
    )
    print(f"PSNR on 200 held-out pictures: {psnr(model, held_out(200)):.2f} dB")


if __name__ == "__main__":
    main()
