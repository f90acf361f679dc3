"""Teach the text-to-image model to repaint what is marked, in view of what is not.

python -m training.inpaint --minutes 60
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.models import AutoencoderKL, UNet2DConditionModel
from training.captions import Dice, describe
from training.dataset import Told, load_shards, to_pixels
from training.finetune import Start, add_stage_options, begin, fine_tune, rows_of
from training.loop import Options, options_of
from training.masks import covered, draw_mask
from training.scene import Scene

__all__ = ["CHANNELS", "INPAINT", "asked", "shown", "train"]

INPAINT = Path("training/runs/inpaint")
CHANNELS = 5
"""What the UNet is shown beside noisy latents: the mask, and latents of what is outside it."""


@torch.no_grad()
def shown(
    vae: AutoencoderKL, pixels: Tensor, mask: Tensor, generator: torch.Generator | None
) -> Tensor:
    """The channels (B, 5, h, w) that `StableDiffusionInpaintPipeline` shows its UNet.

    pixels: (B, 3, H, W) in -1..1; mask: (B, 1, H, W), 1 where it is to be repainted. There the
    picture is grey. generator: of the sample that the autoencoder draws, as in the pipeline.
    """
    outside = vae.encode(pixels * (mask < 0.5)).latent_dist.sample(generator)
    small = interpolate(mask, scale_factor=1 / vae.downscale)
    return torch.cat((small, outside * vae.config.scaling_factor), 1)


def asked(scene: Scene, hidden: list[int], generator: torch.Generator) -> Told:
    """What is said of a picture of which some solids are hidden.

    Of a single one, a person says as often what is to stand there as what the whole picture is to
    show: with the floor and the wall, or without.
    """
    chance = float(torch.rand((), generator=generator))
    if len(hidden) != 1 or chance < 0.5:
        return scene
    solid = scene.solids[hidden[0]]
    if chance < 0.75:
        return replace(scene, solids=(solid,))
    return describe(solid, Dice(generator))


def train(
    start: Start, images: Tensor, solids: Tensor, options: Options, batch: int, folder: Path
) -> UNet2DConditionModel:
    """Train on uint8 pictures (N, 3, H, W) and what their pixels show, (N, H, W)."""
    vae = start.model.vae.to(options.device)

    def show(rows: Tensor, generator: torch.Generator) -> tuple[Tensor, list[Told]]:
        pixels, numbers = to_pixels(rows_of(images, rows)), rows_of(solids, rows)
        masks = torch.stack([draw_mask(one, generator) for one in numbers])
        told = [
            asked(start.scenes[row], covered(one, mask), generator)
            for row, one, mask in zip(rows.tolist(), numbers, masks, strict=True)
        ]
        pixels, marked = pixels.to(options.device), masks[:, None].float().to(options.device)
        return shown(vae, pixels, marked, generator), told

    return fine_tune(start, CHANNELS, show, options, batch, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_stage_options(parser, INPAINT)
    parsed = parser.parse_args()
    train(
        begin(parsed),
        load_shards(parsed.data),
        load_shards(parsed.data, "solids"),
        options_of(parsed, average=0.998),
        parsed.batch or 32,
        parsed.folder,
    )


if __name__ == "__main__":
    main()
