"""What the tasks that begin with a picture are asked, and how an answer is graded.

Scenes are drawn at random as those of the training are, from seeds that it never used.
"""

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.quality import Tally
from training.estimator import fitted
from training.judge import GRID, Seen
from training.masks import box_around
from training.render import render_all
from training.scene import COLORS, FINISHES, HELD_OUT_PAIRS, SHAPES, Scene, Solid, sample_scene

__all__ = [
    "PLACES",
    "Change",
    "Placing",
    "correlation",
    "empty",
    "grade_materials",
    "grade_placing",
    "grade_recolored",
    "other_materials",
    "placings",
    "recolorings",
    "relief",
]

_SEED = 6 * 10**6
_NEAR = 2  # cells of the judge's grid
_ROOM = 8  # pixels around what is to stand in a mask
PLACES = ("on an empty table", "beside another", "in place of another")


class Change(NamedTuple):
    """before: what the picture shows; after: what is asked for."""

    before: Scene
    after: Scene


class Placing(NamedTuple):
    """place: one of `PLACES`. solid: what is asked for. mask: (SIZE, SIZE) bool, where."""

    place: str
    before: Scene
    solid: Solid
    mask: Tensor


def _other(solid: Solid, generator: torch.Generator, **tables: tuple[str, ...]) -> Solid:
    """A solid with other names for some attributes, of a colour and shape that training joined."""
    while True:
        picked = {
            name: table[int(torch.randint(len(table), (), generator=generator))]
            for name, table in tables.items()
        }
        other = replace(solid, **picked)  # type: ignore[arg-type]
        kept = any(getattr(other, name) == getattr(solid, name) for name in tables)
        if not kept and (other.color, other.shape) not in HELD_OUT_PAIRS:
            return other


def recolorings(total: int) -> list[Change]:
    """Pictures of one solid, to be of another colour."""
    generator = torch.Generator().manual_seed(_SEED)
    changes = []
    for _ in range(total):
        scene = sample_scene(generator, 1)
        solid = _other(scene.solids[0], generator, color=COLORS)
        changes.append(Change(scene, replace(scene, solids=(solid,))))
    return changes


def other_materials(total: int) -> list[Change]:
    """Pictures of one solid or two, to be of other colours and finishes."""
    generator = torch.Generator().manual_seed(_SEED + 1)
    changes = []
    for number in range(total):
        scene = sample_scene(generator, 1 + number % 2, "apart")
        solids = [_other(solid, generator, color=COLORS, finish=FINISHES) for solid in scene.solids]
        changes.append(Change(scene, replace(scene, solids=tuple(solids))))
    return changes


def placings(total: int) -> list[Placing]:
    """Places of `PLACES` by turns, each marked by a box in which what is asked for has room."""
    generator = torch.Generator().manual_seed(_SEED + 2)
    cases = []
    for number in range(total):
        place = PLACES[number % len(PLACES)]
        whole = sample_scene(generator, 2 if place == "beside another" else 1, "apart")
        *others, solid = whole.solids
        marked = render_all([whole]).masks[0, len(others)]
        before = replace(whole, solids=tuple(others))
        if place == "in place of another":
            before, solid = whole, _other(solid, generator, color=COLORS, shape=SHAPES)
        cases.append(Placing(place, before, solid, box_around(marked, *[_ROOM] * 4)))
    return cases


def empty(scene: Scene) -> Scene:
    """The table of a scene with nothing on it."""
    return replace(scene, solids=())


def grade_recolored(after: Scene, cell: int, seen: Seen, tally: Tally) -> None:
    """Whether one solid is seen, of the colour asked for, where it was.

    cell: of the judge's grid, counted along rows, where the middle of the solid was before.
    """
    found = seen.solids[0] if len(seen.solids) == 1 else None
    y, x = divmod(cell, GRID)
    colored = found is not None and found.color == after.solids[0].color
    near = found is not None and max(abs(found.x - x), abs(found.y - y)) <= _NEAR
    tally.add("image to image: new colour", colored)
    tally.add("image to image: same place", near)
    tally.add("image to image: both", colored and near)


def grade_placing(case: Placing, seen: Seen, tally: Tally) -> None:
    """Whether a solid of the colour and shape asked for has its middle where it is marked."""
    pixels = len(case.mask) // GRID
    right = any(
        (found.color, found.shape) == (case.solid.color, case.solid.shape)
        and bool(case.mask[found.y * pixels + pixels // 2, found.x * pixels + pixels // 2])
        for found in seen.solids
    )
    tally.add("inpainting: colour and shape", right)
    tally.add(f"inpainting: {case.place}", right)


def grade_materials(after: Scene, seen: Seen, tally: Tally) -> None:
    """Whether all colours and finishes that were asked for are seen, and no others."""
    asked, found = (Counter((s.color, s.finish) for s in one.solids) for one in (after, seen))
    colors = Counter(solid.color for solid in after.solids)
    tally.add("depth: colours", Counter(solid.color for solid in seen.solids) == colors)
    tally.add("depth: colours and finishes", found == asked)


def relief(maps: Tensor, table: Tensor, bare: Tensor) -> Tensor:
    """What stands out (N, H, W) of maps of inverse depth in any scale and shift.

    table: (N, H, W), the inverse depth of the same tables with nothing on them. bare: (N, H, W)
    bool, where nothing is to stand: there the maps are fitted, as solids would bend the fit.
    """
    return fitted(maps, table, bare.float()) - table


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's correlation (N,) of each of the maps (N, H, W) with its other."""
    one, other = (maps - maps.mean((1, 2), keepdim=True) for maps in (one, other))
    lengths = one.square().sum((1, 2)) * other.square().sum((1, 2))
    return (one * other).sum((1, 2)) / lengths.sqrt().clamp(min=1e-12)
