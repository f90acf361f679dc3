"""What a scene is: a few solids on a table top, before a wall, and how one is drawn at random."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

__all__ = [
    "BACKGROUNDS",
    "COLORS",
    "FINISHES",
    "FLOORS",
    "MAX_SOLIDS",
    "SHAPES",
    "SIZES",
    "Scene",
    "Solid",
    "sample_scene",
    "sample_scenes",
]

T = TypeVar("T")

SHAPES = ("sphere", "cube", "cylinder", "cone")
SIZES = {"large": 1.0, "small": 0.62}
FINISHES = ("matte", "shiny")
COLORS = ("red", "yellow", "green", "cyan", "blue", "purple", "white", "black")
FLOORS = ("wooden", "checkered", "tiled", "slate", "sandy", "grassy")
BACKGROUNDS = ("pink", "sky", "mint", "cream", "grey", "sunset", "night")
MAX_SOLIDS = 3

# Radius of the circle that a solid of scale 1 needs on the table.
FOOTPRINTS = {"sphere": 1.0, "cube": 1.13, "cylinder": 0.75, "cone": 1.0}
# Half the width of the table that the camera sees at its focus, by the number of solids.
_HALF_WIDTHS = {1: 1.4, 2: 1.95, 3: 2.35}
_COUNT_WEIGHTS = (0.5, 0.3, 0.2)


@dataclass(frozen=True)
class Solid:
    """One object: names from the tables above, place on the table and turn in radians."""

    shape: str
    color: str
    size: str
    finish: str
    x: float = 0.0
    z: float = 0.0
    angle: float = 0.0

    @property
    def scale(self) -> float:
        """Length of a unit of the solid's own frame, in the scene's units."""
        return SIZES[self.size]

    @property
    def radius(self) -> float:
        """Radius of the circle it occupies on the table."""
        return self.scale * FOOTPRINTS[self.shape]


@dataclass(frozen=True)
class Scene:
    """One to `MAX_SOLIDS` solids on a floor before a background."""

    solids: tuple[Solid, ...]
    floor: str
    background: str

    @property
    def half_width(self) -> float:
        """Half the width seen at the camera's focus: tighter for fewer solids."""
        return _HALF_WIDTHS[len(self.solids)]


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _choice(items: Sequence[T], generator: torch.Generator) -> T:
    return items[int(torch.randint(len(items), (), generator=generator))]


def _places(
    radii: Sequence[float], half_width: float, generator: torch.Generator
) -> list[tuple[float, float]] | None:
    """Centres (x, z) of circles that stand apart and hide little of each other; None: no luck."""
    places: list[tuple[float, float]] = []
    for radius in radii:
        limit = max(half_width - radius, 0.15)
        depth = 0.25 if len(radii) == 1 else 0.9
        x, z = _uniform(-limit, limit, generator), _uniform(-depth, depth, generator)
        for (other_x, other_z), other in zip(places, radii, strict=False):
            apart = math.hypot(x - other_x, z - other_z) > 1.03 * (radius + other)
            if not apart or abs(x - other_x) < 0.62 * (radius + other):
                return None
        places.append((x, z))
    return places


def sample_scene(generator: torch.Generator, count: int | None = None) -> Scene:
    """Draw a scene of `count` solids (None: one to three); no two share a colour.

    Equal generator states give equal scenes.
    """
    if count is None:
        weights = torch.tensor(_COUNT_WEIGHTS)
        count = 1 + int(torch.multinomial(weights, 1, generator=generator))
    if not 1 <= count <= MAX_SOLIDS:
        raise ValueError(f"count must be 1 to {MAX_SOLIDS}, got {count}")
    order = torch.randperm(len(COLORS), generator=generator).tolist()
    while True:
        # A failed layout draws its solids anew: three wide ones may not fit at all.
        kinds = [
            Solid(
                shape=_choice(SHAPES, generator),
                color=COLORS[order[index]],
                size=_choice(tuple(SIZES), generator),
                finish=_choice(FINISHES, generator),
                angle=_uniform(0.0, 2 * math.pi, generator),
            )
            for index in range(count)
        ]
        places = _places([kind.radius for kind in kinds], _HALF_WIDTHS[count], generator)
        if places is not None:
            break
    solids = tuple(
        Solid(kind.shape, kind.color, kind.size, kind.finish, x, z, kind.angle)
        for kind, (x, z) in zip(kinds, places, strict=True)
    )
    return Scene(solids, _choice(FLOORS, generator), _choice(BACKGROUNDS, generator))


def sample_scenes(total: int, seed: int, count: int | None = None) -> list[Scene]:
    """Draw `total` scenes from one seed."""
    generator = torch.Generator().manual_seed(seed)
    return [sample_scene(generator, count) for _ in range(total)]
