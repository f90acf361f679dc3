"""A judge of single objects: which colour and which shape a picture shows, learned from renders.

python -m training.judge --minutes 4
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate

from engine.config import configured
from engine.models.model import Model
from training.dataset import DATA, load_shards, to_pixels
from training.loop import Options, add_options, fit, options_of
from training.render import render
from training.scene import COLORS, SHAPES, Scene, sample_scenes

__all__ = ["JUDGE", "Judge", "Scores", "labels", "score", "train"]

JUDGE = Path("benchmarks/judge")
_RUN = Path("training/runs/judge")
_HELD_OUT_SEED = 2 * 10**6


class Judge(Model):
    """A small convolutional network with an answer for the colour and one for the shape."""

    @configured
    def __init__(
        self,
        colors: tuple[str, ...] = COLORS,
        shapes: tuple[str, ...] = SHAPES,
        widths: tuple[int, ...] = (16, 32, 64, 96),
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, width in zip((3, *widths), widths, strict=False):
            layers += [nn.Conv2d(inputs, width, 3, stride=2, padding=1), nn.GroupNorm(8, width)]
            layers += [nn.SiLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(16 * widths[-1], len(colors) + len(shapes))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """pixels: (B, 3, 64, 64) in -1..1. Returns logits (B, colours) and (B, shapes)."""
        answers = self.head(self.features(pixels).flatten(1))
        colors = len(self.config.colors)
        return answers[:, :colors], answers[:, colors:]


class Scores(NamedTuple):
    """How many of `total` pictures show what was asked for."""

    color: int
    shape: int
    both: int
    total: int


def labels(scenes: Sequence[Scene]) -> Tensor:
    """Numbers (N, 2) of colour and shape of the only solid of each scene."""
    pairs = [
        (COLORS.index(scene.solids[0].color), SHAPES.index(scene.solids[0].shape))
        for scene in scenes
    ]
    return torch.tensor(pairs)


@torch.inference_mode()
def score(judge: Judge, pixels: Tensor, wanted: Tensor) -> Scores:
    """Count right answers for pictures (N, 3, 64, 64) in -1..1 and labels (N, 2)."""
    colors, shapes = judge(pixels)
    color, shape = colors.argmax(1) == wanted[:, 0], shapes.argmax(1) == wanted[:, 1]
    return Scores(int(color.sum()), int(shape.sum()), int((color & shape).sum()), len(wanted))


def _roughen(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Blur half of the pictures, add noise: drawn pictures are less clean than renders."""
    blurred = interpolate(avg_pool2d(pixels, 2), scale_factor=2.0, mode="bilinear")
    share = torch.rand(len(pixels), 1, 1, 1, generator=generator)
    pixels = torch.lerp(pixels, blurred, (2 * share - 1).clamp(min=0))
    return pixels + 0.06 * share * torch.randn(pixels.shape, generator=generator)


def train(
    images: Tensor, scenes: Sequence[Scene], options: Options, batch: int, folder: Path
) -> Judge:
    """Train on the uint8 pictures whose scenes have a single solid."""
    torch.manual_seed(options.seed)
    single = [row for row, scene in enumerate(scenes) if len(scene.solids) == 1]
    images, wanted = images[single], labels([scenes[row] for row in single])
    judge = Judge()

    def loss(generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(images), (batch,), generator=generator)
        colors, shapes = judge(_roughen(to_pixels(images[rows]), generator))
        return cross_entropy(colors, wanted[rows, 0]) + cross_entropy(shapes, wanted[rows, 1])

    fit(judge, loss, options, folder)
    return judge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, minutes=4, rate=2e-3)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=JUDGE)
    parsed = parser.parse_args()
    images, scenes = load_shards(parsed.data)
    judge = train(images, scenes, options_of(parsed), parsed.batch or 64, _RUN)
    judge.save_pretrained(parsed.folder)
    unseen = sample_scenes(1000, seed=_HELD_OUT_SEED, count=1)
    pixels = torch.cat([render(unseen[i : i + 50]).images for i in range(0, 1000, 50)]) * 2 - 1
    found = score(judge, pixels, labels(unseen))
    print(f"of {found.total} held-out renders: colour {found.color}, shape {found.shape} right")


if __name__ == "__main__":
    main()
