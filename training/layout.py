"""What stands where in a picture, for a network to name while it learns to draw.

Denoising alone teaches slowly what a word looks like: its loss hardly changes where a cone stands
in place of a cube. We have drawn the pictures and know what each place of them shows, so a small
head reads that off the UNet's features, and its loss is added to the other. The head is then thrown
away. It is the idea of Yu et al. 2024, "Representation Alignment for Generation", with the truth
for a teacher.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from training.scene import (
    BACKGROUNDS,
    COLORS,
    FINISHES,
    FLOORS,
    MAX_SOLIDS,
    SHAPES,
    SIZES,
    Scene,
)

__all__ = ["Layout", "NamingHead", "layout_of"]

_QUALITIES = (SHAPES, COLORS, FINISHES, tuple(SIZES))
_ANSWERS = (len(SHAPES) + 1, len(COLORS), len(FINISHES), len(SIZES))  # or no solid for a shape
_WHOLE_ANSWERS = (len(FLOORS), len(BACKGROUNDS))
_NOT_ASKED = -100  # what cross_entropy passes over


class Layout(NamedTuple):
    """What N pictures and then their mirror images show.

    solids: (N, h, w), the number of the solid at each place, 0 for none; kinds: (N, 1 + most
    solids, 4), what each of them is, and what none is; wholes: (N, 2), floor and background.
    """

    solids: Tensor
    kinds: Tensor
    wholes: Tensor

    def places(self, rows: Tensor) -> Tensor:
        """What is at each place of rows (B,): (B, 4, h, w)."""
        own = rows % len(self.solids)
        mirrored = (rows >= len(self.solids))[:, None, None]
        solids = torch.where(mirrored, self.solids[own].flip(-1), self.solids[own])
        return self.kinds[own[:, None, None], solids.long()].movedim(-1, 1)


def layout_of(scenes: Sequence[Scene], solids: Tensor, side: int) -> Layout:
    """The layout of scenes on a grid of `side` by `side` places.

    solids: (N, H, W) uint8, as `number_solids` makes them.
    """
    step = solids.shape[-1] // side
    kinds = torch.full((len(scenes), MAX_SOLIDS + 1, len(_QUALITIES)), _NOT_ASKED)
    kinds[:, 0, 0] = 0
    for row, scene in enumerate(scenes):
        for number, solid in enumerate(scene.solids, 1):
            names = (solid.shape, solid.color, solid.finish, solid.size)
            known = [of.index(name) for of, name in zip(_QUALITIES, names, strict=True)]
            kinds[row, number] = torch.tensor([known[0] + 1, *known[1:]])
    wholes = [(FLOORS.index(one.floor), BACKGROUNDS.index(one.background)) for one in scenes]
    return Layout(
        solids[:, step // 2 :: step, step // 2 :: step].contiguous(), kinds, torch.tensor(wholes)
    )


class NamingHead(nn.Module):
    """Reads off what a block made last, (B, channels, h, w), what `Layout` tells."""

    def __init__(self, block: nn.Module, channels: int) -> None:
        super().__init__()
        self.at_places = nn.Conv2d(channels, sum(_ANSWERS), 1)
        self.of_whole = nn.Linear(channels, sum(_WHOLE_ANSWERS))
        self._made: Tensor | None = None
        block.register_forward_hook(self._keep)

    def _keep(self, block: nn.Module, given: object, made: Tensor) -> None:
        self._made = made

    def loss(self, layout: Layout, rows: Tensor) -> Tensor:
        """The mean cross entropy of the six answers, a scalar; needs a forward pass before."""
        features, self._made = self._made, None
        assert features is not None
        at_places = self.at_places(features).float().split(_ANSWERS, dim=1)
        of_whole = self.of_whole(features.mean((2, 3))).float().split(_WHOLE_ANSWERS, dim=1)
        kinds = layout.places(rows).to(features.device)
        wholes = layout.wholes[rows % len(layout.wholes)].to(features.device)
        losses = [cross_entropy(told, kinds[:, n]) for n, told in enumerate(at_places)]
        losses += [cross_entropy(told, wholes[:, n]) for n, told in enumerate(of_whole)]
        return torch.stack(losses).mean()
