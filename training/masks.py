"""Masks as people paint them: over a thing, around it, or anywhere."""

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import max_pool2d

from engine.images import to_tensor

__all__ = ["KINDS", "box_around", "covered", "draw_mask"]

KINDS = {"solid": 0.28, "box": 0.34, "boxes": 0.15, "strokes": 0.15, "whole": 0.08}
"""What is marked, and how often: a solid and some pixels around it, a box around one, a few boxes,
strokes of a brush, the whole picture."""
_MOST = 0.9


def _whole(low: int, high: int, generator: torch.Generator) -> int:
    """A number from low to high."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def _grown(marked: Tensor, pixels: int) -> Tensor:
    """A mask (H, W) and so many pixels around it."""
    return max_pool2d(marked[None].float(), 2 * pixels + 1, 1, pixels)[0] > 0


def box_around(marked: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    """The smallest box around a mask (H, W) of bool that marks something, and more at its sides."""
    rows, columns = (marked.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    box = torch.zeros_like(marked)
    down = slice(max(rows[0] - top, 0), rows[-1] + 1 + bottom)
    across = slice(max(columns[0] - left, 0), columns[-1] + 1 + right)
    box[down, across] = True
    return box


def _boxes(size: int, generator: torch.Generator) -> Tensor:
    mask = torch.zeros(size, size, dtype=torch.bool)
    for _ in range(_whole(1, 3, generator)):
        height, width = (_whole(size // 8, size * 5 // 8, generator) for _ in range(2))
        top, left = (_whole(0, size - side, generator) for side in (height, width))
        mask[top : top + height, left : left + width] = True
    return mask


def _strokes(size: int, generator: torch.Generator) -> Tensor:
    picture = Image.new("L", (size, size))
    draw = ImageDraw.Draw(picture)
    for _ in range(_whole(1, 3, generator)):
        width = _whole(size // 12, size // 5, generator)
        ends = torch.randint(size // 16, size * 15 // 16, (4, 2), generator=generator)
        points = [(float(x), float(y)) for x, y in ends.tolist()]
        draw.line(points, 255, width)
        for x, y in points:
            draw.circle((x, y), width / 2, 255)
    return to_tensor(picture) > 0.5


def draw_mask(solids: Tensor, generator: torch.Generator) -> Tensor:
    """Draw what is to be repainted of a picture: (H, W) bool, marked in every latent's size.

    solids: (H, W) of a square picture, which solid each pixel shows, as in the shards.
    """
    size = len(solids)
    kind = tuple(KINDS)[int(torch.tensor([*KINDS.values()]).multinomial(1, generator=generator))]
    if kind == "whole":
        return torch.ones_like(solids, dtype=torch.bool)
    if kind == "strokes":
        return _strokes(size, generator)
    numbers = solids[solids > 0].unique()
    if kind == "boxes" or not len(numbers):
        return _boxes(size, generator)
    one = solids == numbers[_whole(0, len(numbers) - 1, generator)]
    if kind == "solid":
        return _grown(one, _whole(size // 42, size // 10, generator))
    return box_around(one, *(_whole(size // 42, size // 6, generator) for _ in range(4)))


def covered(solids: Tensor, mask: Tensor) -> list[int]:
    """Places in a scene of the solids that a mask (H, W) hides: nine tenths of what is seen."""
    seen, hidden = (part.flatten().bincount(minlength=1)[1:] for part in (solids, solids * mask))
    hidden = torch.cat((hidden, hidden.new_zeros(len(seen) - len(hidden))))
    return ((seen > 0) & (hidden >= _MOST * seen)).nonzero().flatten().tolist()
