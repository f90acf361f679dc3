"""Sizes that a model was trained to be told of its pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, TypeAlias

import torch
from torch import Tensor

from engine.errors import RequestError
from engine.pipelines.limits import check_argument

__all__ = ["Sizes"]

Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Sizes:
    """The micro-conditioning of SDXL (Podell et al. 2023, arXiv 2307.01952, 2.2), in pixels.

    original_size: height and width of the training picture that this is to be like: smaller ones
    were blurred. crops_coords_top_left: where it was cut at the top and at the left: with (0, 0)
    things are in the middle. target_size: height and width of what is made. Sizes that are None
    are those of the picture made.
    negative_...: the same of what is not to be shown. A size that is None is the positive one; the
    crop is the positive one where no other of these is given, and there are no scores.
    scores: aesthetic_score and negative_aesthetic_score, about 0 to 10, of a model that is told
    them in place of target_size, as refiners are.
    Raises `RequestError` for what is no such numbers.
    """

    original_size: Pair | None = None
    crops_coords_top_left: Pair = (0, 0)
    target_size: Pair | None = None
    negative_original_size: Pair | None = None
    negative_crops_coords_top_left: Pair = (0, 0)
    negative_target_size: Pair | None = None
    scores: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self) if field.name != "scores"):
            if (value := getattr(self, name)) is not None:
                _check_pair(name, value)
        names = ("aesthetic_score", "negative_aesthetic_score")
        for name, score in zip(names, self.scores or (), strict=False):
            check_argument(name, score, 0)

    @property
    def numbers(self) -> int:
        """How many numbers the model is told of each picture."""
        return 6 if self.scores is None else 5

    def time_ids(self, made: Pair, guided: bool) -> Tensor:
        """The numbers (1, n), or (2, n) with guidance, the negative half first.

        made: height and width of the picture.
        """
        first, last = self.original_size or made, self.target_size or made
        ends: Sequence[Sequence[float]] = [last, self.negative_target_size or last]
        if self.scores is not None:
            ends = [[score] for score in self.scores]
        rows = [[*first, *self.crops_coords_top_left, *ends[0]]]
        if guided:
            first = self.negative_original_size or first
            rows = [[*first, *self._negative_crop(), *ends[1]], *rows]
        return torch.tensor(rows, dtype=torch.float32)

    def _negative_crop(self) -> Pair:
        own = self.negative_crops_coords_top_left
        said = (self.scores, self.negative_original_size, self.negative_target_size)
        return own if any(own) or said != (None, None, None) else self.crops_coords_top_left


def _check_pair(name: str, value: Any) -> None:
    """Raise a `RequestError` for what is no two sides, or coordinates."""
    pair = isinstance(value, Sequence) and len(value) == 2
    if not pair or not all(isinstance(one, Real) and 0 <= float(one) < math.inf for one in value):
        raise RequestError(f"{name} is {value!r}: two numbers are needed, 0 or more.")
