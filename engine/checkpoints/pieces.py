"""What the tensors of a file are to a model that has other names for them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.checkpoints.header import Shape

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Piece", "Rename", "current_name"]

OLD_KEY = re.compile(r"(.*\battentions\.\d+\.)(query|key|value|proj_attn)(\.(?:weight|bias))")
NEW_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Attention over pixels had other names in files made before 2023."""


@dataclass(frozen=True)
class Piece:
    """A tensor of a model, as a stored one holds it.

    name: in the model. share: which of how many equal parts of the rows. transposed: the stored
    one has columns for rows. pointwise: it is a 1x1 convolution, and a linear layer in the model.
    """

    name: str
    share: tuple[int, int] = (0, 1)
    transposed: bool = False
    pointwise: bool = False

    def shape(self, stored: Shape) -> Shape:
        """The shape in the model; one that cannot be divided stays, and will fit nothing."""
        if self.transposed:
            return stored[::-1]
        if self.pointwise:
            return stored[:2]
        parts = self.share[1]
        if any(side % parts for side in stored[:1]):
            return stored
        return (*(side // parts for side in stored[:1]), *stored[1:])

    def cut(self, stored: "Tensor") -> "Tensor":
        """The tensor of the model: a view, but a copy where it is transposed."""
        if self.transposed:
            return stored.T.contiguous()
        if self.pointwise:
            return stored.reshape(self.shape(tuple(stored.shape)))
        index, parts = self.share
        return stored if parts == 1 else stored.chunk(parts)[index]


Rename = Callable[[str], Sequence[Piece]]
"""The pieces that the tensor of a key holds; none where it is of no use to the model."""


def current_name(key: str) -> Sequence[Piece]:
    """Of files in the diffusers layout: the tensor itself, under the name that it has today."""
    old = OLD_KEY.fullmatch(key)
    return [Piece(f"{old[1]}{NEW_NAMES[old[2]]}{old[3]}" if old else key)]
