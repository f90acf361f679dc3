"""Large pictures in tiles that overlap, so that memory does not grow with the picture."""

from collections.abc import Callable
from math import ceil

import torch
from torch import Tensor

__all__ = ["run_in_tiles"]


def run_in_tiles(
    run: Callable[[Tensor], Tensor], values: Tensor, side: int, step: int, scale: float
) -> Tensor:
    """Run over tiles of values (B, C, H, W), each blended over those above and left of it.

    side: of a tile; step: from one tile to the next. scale: of what `run` returns, whose sides are
    those of what it is given times this. Returns (B, n, H * scale, W * scale).
    """
    height, width = values.shape[2:]
    blend, kept = round((side - step) * scale), round(step * scale)
    found, bottom, right = values[:, :0], 0, 0
    above: list[Tensor] = []
    for top in range(0, height, step):
        ends, before = list[Tensor](), None
        for left in range(0, width, step):
            tile = run(values[:, :, top : top + side, left : left + side])
            if above:
                _blend(above[len(ends)], tile, blend, 2)
            if before is not None:
                _blend(before, tile, blend, 3)
            if not (top or left):
                size = ceil(height * scale), ceil(width * scale)
                found = tile.new_empty(*tile.shape[:2], *size)
            part, y, x = tile[:, :, :kept, :kept], round(top * scale), round(left * scale)
            bottom, right = y + part.shape[2], x + part.shape[3]
            found[:, :, y:bottom, x:right] = part
            ends.append(tile[:, :, -blend:].clone())  # not the whole tile, which would be kept
            before = tile
        above = ends
    return found[:, :, :bottom, :right]  # an encoder may drop what is less than a latent


def _blend(first: Tensor, second: Tensor, extent: int, dim: int) -> None:
    """Go over from the end of one tile to the beginning of the next, which is changed."""
    extent = min(first.shape[dim], second.shape[dim], extent)
    shape = [extent if axis == dim else 1 for axis in range(4)]
    weight = torch.linspace(0, 1, extent + 1, device=second.device)[:-1].view(shape)
    start = second.narrow(dim, 0, extent)
    end = first.narrow(dim, first.shape[dim] - extent, extent)
    start.copy_(torch.lerp(end.float(), start.float(), weight))
