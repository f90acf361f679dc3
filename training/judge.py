"""A judge of pictures, learned from renders alone: what stands where, on what, before what.

python -m training.dataset --scenes 4000 --every-pair --folder training/runs/judge-data
python -m training.judge --minutes 15

It learns from the pictures that the models learn from, and from others that join every colour and
shape.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate, max_pool2d

from engine.config import configured
from engine.models.model import Model
from training.dataset import DATA, load_scenes, load_shards, number_solids, to_pixels
from training.loop import Options, add_options, fit, options_of
from training.render import render_all
from training.scene import (
    BACKGROUNDS,
    COLORS,
    FINISHES,
    FLOORS,
    MAX_SOLIDS,
    SHAPES,
    SIZES,
    Scene,
    sample_scenes,
)

__all__ = [
    "ATTRIBUTES",
    "JUDGE",
    "JUDGE_DATA",
    "Finding",
    "Judge",
    "Labels",
    "Seen",
    "labels",
    "right_answers",
    "roughen",
    "train",
]

JUDGE = Path("benchmarks/judge")
JUDGE_DATA = Path("training/runs/judge-data")
_RUN = Path("training/runs/judge")
_HELD_OUT_SEED = 2 * 10**6
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "color": COLORS,
    "size": tuple(SIZES),
    "finish": FINISHES,
}
GRID = 16
"""Cells along an edge, each of which may hold the middle of one solid."""
_VISIBLE = 40  # pixels of a solid below which nobody could say what it is
_SURE = 0.4


class Finding(NamedTuple):
    """A solid that the judge sees. x, y: its middle in cells of the grid."""

    shape: str
    color: str
    size: str
    finish: str
    x: int
    y: int


class Seen(NamedTuple):
    """What the judge sees in a picture."""

    solids: tuple[Finding, ...]
    floor: str
    background: str

    @property
    def pairs(self) -> Counter[tuple[str, str]]:
        """How often each colour and shape stand together."""
        return Counter((solid.color, solid.shape) for solid in self.solids)


class Answers(NamedTuple):
    """Logits: middles (B, 1, G, G), attributes of each cell (B, A, G, G), floor, background."""

    middle: Tensor
    attributes: Tensor
    floor: Tensor
    background: Tensor


def _layer(inputs: int, width: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(8, width), nn.SiLU())


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_layer(width, width), _layer(width, width))

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.layers(hidden)


class Judge(Model):
    """A small convolutional network that marks the middle of every solid and names what it is."""

    @configured
    def __init__(self, widths: tuple[int, ...] = (24, 48, 80, 128)) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.near = nn.Sequential(
            _layer(3, first, 2),
            _layer(first, second, 2),
            _layer(second, third, 2),
            _Residual(third),
            _Residual(third),
        )
        self.far = nn.Sequential(_layer(third, fourth, 2), _Residual(fourth), _Residual(fourth))
        self.joined = _layer(third + fourth, fourth)
        self.middle = nn.Conv2d(fourth, 1, 1)
        self.attributes = nn.Conv2d(fourth, sum(map(len, ATTRIBUTES.values())), 1)
        self.around = nn.Linear(fourth, len(FLOORS) + len(BACKGROUNDS))
        # few cells hold a middle
        nn.init.constant_(self.middle.bias, -4.0)  # type: ignore[arg-type]

    def features(self, pixels: Tensor) -> Tensor:
        """Means (B, 128) of the coarsest maps, on which the Frechet distance is taken."""
        return self.far(self.near(pixels)).mean(dim=(2, 3))

    def forward(self, pixels: Tensor) -> Answers:
        """pixels: (B, 3, SIZE, SIZE) in -1..1."""
        near = self.near(pixels)
        far = self.far(near)
        joined = self.joined(torch.cat((near, interpolate(far, scale_factor=2.0)), 1))
        around = self.around(far.mean(dim=(2, 3)))
        middle, attributes = self.middle(joined), self.attributes(joined)
        return Answers(middle, attributes, around[:, : len(FLOORS)], around[:, len(FLOORS) :])

    @torch.inference_mode()
    def look(self, pixels: Tensor) -> list[Seen]:
        """Say what pictures (B, 3, SIZE, SIZE) in -1..1 show."""
        answers = self(pixels)
        sure = answers.middle.sigmoid()[:, 0]
        peaks = (sure >= max_pool2d(sure[:, None], 3, 1, 1)[:, 0]) & (sure > _SURE)
        named = {
            name: logits.argmax(1)
            for name, logits in zip(ATTRIBUTES, _split(answers.attributes), strict=True)
        }
        seen = []
        for number in range(len(pixels)):
            solids = tuple(
                Finding(
                    **{name: ATTRIBUTES[name][int(named[name][number, y, x])] for name in named},
                    x=x,
                    y=y,
                )
                for y, x in peaks[number].nonzero().tolist()
            )
            floor = FLOORS[int(answers.floor[number].argmax())]
            wall = BACKGROUNDS[int(answers.background[number].argmax())]
            seen.append(Seen(solids, floor, wall))
        return seen


def _split(attributes: Tensor) -> tuple[Tensor, ...]:
    """Logits of each of `ATTRIBUTES`, along the second dimension."""
    return attributes.split([len(names) for names in ATTRIBUTES.values()], dim=1)


class Labels(NamedTuple):
    """What is right for N pictures.

    cells: (N, K), the cell of each solid's middle, counted along rows, -1 where there is none or it
    is hidden. kinds: (N, K, 4), numbers in the tables of `ATTRIBUTES`. around: (N, 2), floor and
    background.
    """

    cells: Tensor
    kinds: Tensor
    around: Tensor

    def rows(self, chosen: Tensor, device: str) -> "Labels":
        return Labels(*(part[chosen].to(device) for part in self))


def labels(solids: Tensor, scenes: Sequence[Scene]) -> Labels:
    """Labels of scenes whose pixels (N, H, W) say which solid they show, as in the shards."""
    cells = torch.full((len(scenes), MAX_SOLIDS), -1)
    kinds = torch.zeros(len(scenes), MAX_SOLIDS, len(ATTRIBUTES), dtype=torch.long)
    size = solids.shape[-1]
    places = torch.arange(size, dtype=torch.float32)
    for k in range(MAX_SOLIDS):
        mask = solids == k + 1
        across, down = mask.sum(1).float(), mask.sum(2).float()
        count = across.sum(1)
        x, y = ((marks @ places) / count.clamp(min=1) * GRID / size for marks in (across, down))
        cells[:, k] = torch.where(count >= _VISIBLE, y.long() * GRID + x.long(), -1)
    for n, scene in enumerate(scenes):
        for k, solid in enumerate(scene.solids):
            for a, (name, names) in enumerate(ATTRIBUTES.items()):
                kinds[n, k, a] = names.index(getattr(solid, name))
    around = [(FLOORS.index(scene.floor), BACKGROUNDS.index(scene.background)) for scene in scenes]
    return Labels(cells, kinds, torch.tensor(around))


def _heat(cells: Tensor) -> Tensor:
    """Targets (N, G, G): 1 at the middle of a solid, less around it."""
    place = torch.arange(GRID, dtype=torch.float32, device=cells.device)
    x, y = (cells % GRID)[..., None], (cells // GRID)[..., None]
    spread = [torch.exp(-((place - middle) ** 2) / 1.2) for middle in (y, x)]
    heat = spread[0][..., None] * spread[1][..., None, :]
    return (heat * (cells >= 0)[..., None, None]).amax(1)


def _loss(answers: Answers, wanted: Labels) -> Tensor:
    """Focal loss of the middles (Zhou et al. 2019, "Objects as Points", equation 1), and others."""
    heat = _heat(wanted.cells)
    logits = answers.middle[:, 0].float()
    sure = logits.sigmoid()
    logsigmoid = nn.functional.logsigmoid
    found = (heat == 1) * (1 - sure) ** 2 * logsigmoid(logits)
    missed = (heat < 1) * (1 - heat) ** 4 * sure**2 * logsigmoid(-logits)
    total = -(found + missed).sum() / (heat == 1).sum().clamp(min=1)
    rows, slots = (wanted.cells >= 0).nonzero(as_tuple=True)
    cells = wanted.cells[rows, slots]
    for a, part in enumerate(_split(answers.attributes)):
        chosen = part.flatten(2)[rows, :, cells]
        total = total + cross_entropy(chosen, wanted.kinds[rows, slots, a])
    for a, part in enumerate((answers.floor, answers.background)):
        total = total + 0.5 * cross_entropy(part, wanted.around[:, a])
    return total


def roughen(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Blur half of the pictures, add noise: drawn pictures are less clean than renders."""
    blurred = interpolate(avg_pool2d(pixels, 2), scale_factor=2.0, mode="bilinear")
    share = torch.rand(len(pixels), 1, 1, 1, generator=generator)
    pixels = torch.lerp(pixels, blurred, (2 * share - 1).clamp(min=0))
    return pixels + 0.05 * share * torch.randn(pixels.shape, generator=generator)


def train(images: Tensor, wanted: Labels, options: Options, batch: int, folder: Path) -> Judge:
    """Train on uint8 pictures (N, 3, SIZE, SIZE) and their labels."""
    torch.manual_seed(options.seed)
    judge = Judge()

    def loss(generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(images), (batch,), generator=generator)
        pixels = roughen(to_pixels(images[rows]), generator)
        pixels = pixels.to(options.device, memory_format=torch.channels_last)
        return _loss(judge(pixels), wanted.rows(rows, options.device))

    fit(judge, loss, options, folder)
    return judge


def right_answers(judge: Judge, scenes: Sequence[Scene]) -> dict[str, tuple[int, int]]:
    """Question -> right answers and questions, over renders of scenes.

    Attributes are asked about solids that can be seen; `count` is right where every such solid is
    found and nothing else.
    """
    tally = {name: [0, 0] for name in (*ATTRIBUTES, "count", "floor", "background")}
    for first in range(0, len(scenes), 20):
        part = scenes[first : first + 20]
        views = render_all(part)
        wanted = labels(number_solids(views.masks), part)
        for n, seen in enumerate(judge.look(views.images * 2 - 1)):
            answers: dict[str, list[bool]] = {name: [] for name in tally}
            visible = [k for k in range(MAX_SOLIDS) if wanted.cells[n, k] >= 0]
            answers["count"].append(len(seen.solids) == len(visible))
            answers["floor"].append(seen.floor == part[n].floor)
            answers["background"].append(seen.background == part[n].background)
            for k in visible:
                y, x = divmod(int(wanted.cells[n, k]), GRID)
                near = min(
                    seen.solids, key=lambda one: abs(one.x - x) + abs(one.y - y), default=None
                )
                for name in ATTRIBUTES:
                    right = near is not None and getattr(near, name) == getattr(
                        part[n].solids[k], name
                    )
                    answers[name].append(right)
            for name, given in answers.items():
                tally[name][0] += sum(given)
                tally[name][1] += len(given)
    return {name: (right, total) for name, (right, total) in tally.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, minutes=15, rate=2e-3)
    parser.add_argument("--data", type=Path, nargs="+", default=[DATA, JUDGE_DATA])
    parser.add_argument("--folder", type=Path, default=JUDGE)
    parsed = parser.parse_args()
    scenes = [scene for folder in parsed.data for scene in load_scenes(folder)]
    wanted = labels(torch.cat([load_shards(folder, "solids") for folder in parsed.data]), scenes)
    images = torch.cat([load_shards(folder) for folder in parsed.data])
    judge = train(images, wanted, options_of(parsed), parsed.batch or 32, _RUN)
    judge.half().save_pretrained(parsed.folder)
    unseen = sample_scenes(1000, seed=_HELD_OUT_SEED, held_out=True)
    print("right answers about 1,000 held-out renders:")
    for name, (right, total) in right_answers(judge.float(), unseen).items():
        print(f"{name:>10}: {right} of {total} ({right / total:.1%})")


if __name__ == "__main__":
    main()
