"""What a scene is: a few solids on a table top, before a wall, and how one is drawn at random."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

__all__ = [
    "BACKGROUNDS",
    "COLORS",
    "FINISHES",
    "FLOORS",
    "HELD_OUT_PAIRS",
    "LAYOUTS",
    "MAX_SOLIDS",
    "SHAPES",
    "SIZES",
    "Scene",
    "Solid",
    "mirrored",
    "sample_scene",
    "sample_scenes",
]

T = TypeVar("T")

SHAPES = ("sphere", "cube", "cylinder", "cone", "torus", "pyramid")
SIZES = {"large": 1.0, "small": 0.6}
FINISHES = ("matte", "shiny", "metal", "glass")
COLORS = (
    *("red", "orange", "yellow", "green", "cyan"),
    *("blue", "purple", "pink", "white", "black"),
)
FLOORS = ("wooden", "marble", "checkered", "cloth", "sandy", "white", "grey", "green", "blue")
BACKGROUNDS = ("pink", "sky", "mint", "cream", "grey", "sunset", "night", "white", "black")
MAX_SOLIDS = 3

HELD_OUT_PAIRS = frozenset(
    {
        ("cyan", "sphere"),
        ("purple", "cube"),
        ("orange", "cylinder"),
        ("pink", "cone"),
        ("white", "torus"),
        ("black", "pyramid"),
    }
)
"""Colour and shape that no training scene joins: what a model draws of them it has understood."""

LAYOUTS = {"apart": 0.75, "alike": 0.12, "stack": 0.13}
"""How several solids stand, and how often: each its own, all the same kind, one on another."""

# Radius of the circle that a solid of scale 1 needs on the table.
FOOTPRINTS = {
    "sphere": 1.0,
    "cube": 1.13,
    "cylinder": 0.75,
    "cone": 1.0,
    "torus": 1.05,
    "pyramid": 1.2,
}
# Half of its height.
HALF_HEIGHTS = {
    "sphere": 1.0,
    "cube": 0.8,
    "cylinder": 0.95,
    "cone": 1.0,
    "torus": 0.33,
    "pyramid": 0.85,
}
# Half the width of the table that the camera sees at its focus, by the number of solids.
_HALF_WIDTHS = {1: 1.42, 2: 1.95, 3: 2.35}
_STACK_HALF_WIDTH = 1.9
_FOCUS, _STACK_FOCUS = 0.8, 1.25
_COUNT_WEIGHTS = (0.46, 0.34, 0.2)


@dataclass(frozen=True)
class Solid:
    """One object: names from the tables above, place of its foot and turn in radians."""

    shape: str
    color: str
    size: str
    finish: str
    x: float = 0.0
    z: float = 0.0
    angle: float = 0.0
    y: float = 0.0

    @property
    def scale(self) -> float:
        """Length of a unit of the solid's own frame, in the scene's units."""
        return SIZES[self.size]

    @property
    def radius(self) -> float:
        """Radius of the circle it occupies on the table."""
        return self.scale * FOOTPRINTS[self.shape]

    @property
    def height(self) -> float:
        """From its foot to its top."""
        return 2 * self.scale * HALF_HEIGHTS[self.shape]


@dataclass(frozen=True)
class Scene:
    """One to `MAX_SOLIDS` solids on a floor before a background, seen by a camera, lit by a lamp.

    half_width: half of what the camera sees at its focus, in scene units; focus: the height it
    looks at; elevation: how far it looks down; azimuth: where the light comes from, 0 behind the
    camera, positive from the right. Angles are in radians.
    """

    solids: tuple[Solid, ...]
    floor: str
    background: str
    half_width: float = 1.42
    focus: float = 0.8
    elevation: float = 0.37
    azimuth: float = -0.7

    @property
    def is_stack(self) -> bool:
        return any(solid.y > 0 for solid in self.solids)


def mirrored(scene: Scene) -> Scene:
    """The scene with left and right exchanged."""
    solids = (replace(solid, x=-solid.x, angle=-solid.angle) for solid in scene.solids)
    return replace(scene, solids=tuple(solids), azimuth=-scene.azimuth)


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _choice(items: Sequence[T], generator: torch.Generator) -> T:
    return items[int(torch.randint(len(items), (), generator=generator))]


def _weighted(weights: Sequence[float], generator: torch.Generator) -> int:
    return int(torch.multinomial(torch.tensor(weights), 1, generator=generator))


def _solid(generator: torch.Generator, taken: Sequence[str], held_out: bool) -> Solid:
    """A solid at the middle, of a colour that is not taken."""
    while True:
        color, shape = _choice(COLORS, generator), _choice(SHAPES, generator)
        if color not in taken and (held_out or (color, shape) not in HELD_OUT_PAIRS):
            break
    return Solid(
        shape,
        color,
        size=_choice(tuple(SIZES), generator),
        finish=_choice(FINISHES, generator),
        angle=_uniform(0.0, 2 * math.pi, generator),
    )


def _kinds(count: int, layout: str, generator: torch.Generator, held_out: bool) -> list[Solid]:
    solids: list[Solid] = []
    while len(solids) < count:
        solids.append(_solid(generator, [solid.color for solid in solids], held_out))
    if layout == "alike":
        turns = [_uniform(0.0, 2 * math.pi, generator) for _ in solids]
        solids = [replace(solids[0], angle=turn) for turn in turns]
    if layout == "stack":
        foot = _choice(("cube", "cylinder"), generator)
        if (solids[0].color, foot) in HELD_OUT_PAIRS and not held_out:
            foot = "cylinder" if foot == "cube" else "cube"
        solids[0] = replace(solids[0], shape=foot, size="large")
        solids[1] = replace(solids[1], size="small", y=solids[0].height)
    return solids


def _places(
    radii: Sequence[float], half_width: float, generator: torch.Generator
) -> list[tuple[float, float]] | None:
    """Centres (x, z) of circles that stand apart and hide little of each other; None: no luck."""
    places: list[tuple[float, float]] = []
    for radius in radii:
        limit = max(half_width - radius, 0.12)
        depth = 0.2 if len(radii) == 1 else 1.15
        x, z = _uniform(-limit, limit, generator), _uniform(-depth, depth, generator)
        for (other_x, other_z), other in zip(places, radii, strict=False):
            apart = math.hypot(x - other_x, z - other_z) > 1.03 * (radius + other)
            if not apart or abs(x - other_x) < 0.6 * (radius + other):
                return None
        places.append((x, z))
    return places


def sample_scene(
    generator: torch.Generator,
    count: int | None = None,
    layout: str | None = None,
    held_out: bool = False,
) -> Scene:
    """Draw a scene of `count` solids (None: one to three) in a layout of `LAYOUTS` (None: any).

    Solids differ in colour unless they are all alike. held_out lets in `HELD_OUT_PAIRS`. Equal
    generator states give equal scenes. Raises ValueError where a number or name is not known.
    """
    if count is None:
        count = 1 + _weighted(_COUNT_WEIGHTS, generator)
    if not 1 <= count <= MAX_SOLIDS:
        raise ValueError(f"count must be 1 to {MAX_SOLIDS}, got {count}")
    if layout is None:
        layout = tuple(LAYOUTS)[_weighted(tuple(LAYOUTS.values()), generator)]
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    layout = layout if count > 1 else "apart"
    standing = count - (layout == "stack")
    width = _STACK_HALF_WIDTH if layout == "stack" and count == 2 else _HALF_WIDTHS[count]
    while True:
        # A failed layout draws its solids anew: three wide ones may not fit at all.
        kinds = _kinds(count, layout, generator, held_out)
        feet = [kind for kind in kinds if kind.y == 0]
        places = _places([foot.radius for foot in feet], width, generator)
        if places is not None:
            break
    assert len(places) == standing
    if layout == "stack":
        places.insert(1, places[0])
    return Scene(
        tuple(replace(kind, x=x, z=z) for kind, (x, z) in zip(kinds, places, strict=True)),
        _choice(FLOORS, generator),
        _choice(BACKGROUNDS, generator),
        half_width=width * _uniform(0.96, 1.06, generator),
        focus=_STACK_FOCUS if layout == "stack" else _FOCUS,
        elevation=_uniform(0.33, 0.47, generator),
        azimuth=_uniform(-1.0, 1.0, generator),
    )


def sample_scenes(
    total: int, seed: int, count: int | None = None, held_out: bool = False
) -> list[Scene]:
    """Draw `total` scenes from one seed."""
    generator = torch.Generator().manual_seed(seed)
    return [sample_scene(generator, count, held_out=held_out) for _ in range(total)]
