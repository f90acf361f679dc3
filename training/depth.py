"""Teach the text-to-image model to draw what has a given depth.

python -m training.depth --minutes 60
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from engine.models import UNet2DConditionModel
from engine.pipelines.depth_to_image import normalized
from training.dataset import Told, load_shards
from training.finetune import Start, add_stage_options, begin, fine_tune, rows_of
from training.loop import Options, options_of

__all__ = ["CHANNELS", "DEPTH", "as_estimated", "train"]

DEPTH = Path("training/runs/depth")
CHANNELS = 1
"""What the UNet is shown beside noisy latents: inverse depth, -1 at the farthest place, 1 at the
nearest."""
_BLUR, _ERROR = 5, 0.03


def as_estimated(inverse: Tensor, generator: torch.Generator) -> Tensor:
    """Inverse depth (B, 1, H, W), blurred and bent a little, as an estimator leaves it."""
    shares = torch.rand(2, len(inverse), 1, 1, 1, generator=generator)
    blurred = avg_pool2d(inverse, _BLUR, 1, _BLUR // 2, count_include_pad=False)
    bend = torch.randn(len(inverse), 1, 4, 4, generator=generator)
    bend = interpolate(bend, inverse.shape[2:], mode="bicubic")
    reach = inverse.amax((2, 3), keepdim=True) - inverse.amin((2, 3), keepdim=True)
    return torch.lerp(inverse, blurred, shares[0]) + _ERROR * reach * shares[1] * bend


def train(
    start: Start, depth: Tensor, options: Options, batch: int, folder: Path
) -> UNet2DConditionModel:
    """Train on the exact depth (N, H, W) of the pictures, in scene units."""

    def show(rows: Tensor, generator: torch.Generator) -> tuple[Tensor, list[Told]]:
        inverse = 1 / rows_of(depth, rows).float()[:, None]
        seen = normalized(as_estimated(inverse, generator), start.latents.shape[2:])
        return seen, [start.scenes[row] for row in rows.tolist()]

    return fine_tune(start, CHANNELS, show, options, batch, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_stage_options(parser, DEPTH)
    parsed = parser.parse_args()
    train(
        begin(parsed),
        load_shards(parsed.data, "depth"),
        options_of(parsed, average=0.998),
        parsed.batch or 32,
        parsed.folder,
    )


if __name__ == "__main__":
    main()
