"""Colours of solids, floors and walls, in linear light."""

import torch
from torch import Tensor

from training.scene import BACKGROUNDS, COLORS, FLOORS

__all__ = ["floor_color", "solid_color", "wall_color"]


def _linear(*colors: tuple[int, int, int]) -> Tensor:
    """sRGB bytes to linear light, (N, 3)."""
    return (torch.tensor(colors, dtype=torch.float32) / 255) ** 2.2


_SOLIDS = {
    "red": (222, 28, 32),
    "yellow": (250, 208, 20),
    "green": (30, 150, 50),
    "cyan": (40, 205, 215),
    "blue": (30, 60, 220),
    "purple": (140, 40, 185),
    "white": (245, 245, 245),
    "black": (38, 38, 42),
}

# Two tones a floor: planks, squares, tiles and grout, or a soft mottle.
_FLOORS = {
    "wooden": ((190, 128, 74), (150, 92, 48)),
    "checkered": ((228, 226, 222), (112, 114, 124)),
    "tiled": ((206, 196, 186), (130, 118, 110)),
    "slate": ((98, 106, 120), (84, 92, 106)),
    "sandy": ((226, 204, 160), (208, 182, 136)),
    "grassy": ((112, 168, 82), (90, 144, 64)),
}

# The colours of a wall at the table and at the top of the picture.
_WALLS = {
    "pink": ((250, 190, 204), (240, 150, 176)),
    "sky": ((200, 228, 250), (120, 180, 240)),
    "mint": ((206, 244, 220), (150, 220, 184)),
    "cream": ((252, 242, 214), (240, 222, 174)),
    "grey": ((196, 196, 200), (146, 146, 152)),
    "sunset": ((255, 190, 100), (200, 90, 130)),
    "night": ((52, 58, 110), (18, 20, 52)),
}

_SOLID_TABLE = _linear(*(_SOLIDS[name] for name in COLORS))
_FLOOR_TABLE = torch.stack([_linear(*_FLOORS[name]) for name in FLOORS])
_WALL_TABLE = torch.stack([_linear(*_WALLS[name]) for name in BACKGROUNDS])


def solid_color(code: Tensor) -> Tensor:
    """Colours (3, B, R) of the solids numbered (B, R) as in `COLORS`."""
    return _SOLID_TABLE[code].movedim(-1, 0)


def _edge(value: Tensor, width: float) -> Tensor:
    """1 inside lines of a width around the whole numbers, 0 elsewhere, with soft sides."""
    away = (value - value.round()).abs()
    return ((width - away) / 0.03 + 0.5).clamp(0, 1)


def _patterns(x: Tensor, z: Tensor) -> Tensor:
    """Share of the second tone at a place, for every floor: (F, B, R)."""
    plank = (x * 1.1 + 0.3).floor()
    grain = 0.28 + 0.22 * (9 * x + 0.7 * (2.3 * z + plank * 2.1).sin() + plank * 1.7).sin()
    tone = 0.3 * ((plank * 12.9898).sin() * 43758.5).frac().abs()
    wood = torch.maximum(grain + tone, _edge(x * 1.1 + 0.3, 0.035))
    square = torch.sin(torch.pi * x * 0.9) * torch.sin(torch.pi * (z + 0.3) * 0.9)
    checker = (square * 14 + 0.5).clamp(0, 1)
    tile = torch.maximum(_edge(x * 0.8 + 0.5, 0.045), _edge(z * 0.8 + 0.2, 0.045))
    soft = 0.5 + 0.25 * ((2.1 * x + 1.3 * z).sin() + (1.7 * z - 2.4 * x + 1.0).sin())
    ripple = 0.5 + 0.5 * (5.0 * z + 0.8 * (1.5 * x).sin()).sin()
    blades = 0.5 + 0.25 * ((7.0 * x + 3 * z).sin() + (6.0 * z - 5 * x).sin())
    return torch.stack((wood, checker, tile, soft, ripple, blades))


def floor_color(point: Tensor, floor: Tensor, patterned: bool = True) -> Tensor:
    """Colours (3, B, R) of points (3, B, R) on the floors numbered (B,) as in `FLOORS`.

    Not `patterned`: the mean of both tones everywhere.
    """
    share = torch.full_like(point[0], 0.5)
    for code in range(len(FLOORS) if patterned else 0):
        rows = (floor == code).nonzero()[:, 0]
        if len(rows):
            share[rows] = _patterns(point[0, rows], point[2, rows])[code]
    tones = _FLOOR_TABLE[floor].movedim(-1, 0)[..., None]
    return torch.lerp(tones[:, :, 0], tones[:, :, 1], share)


def wall_color(point: Tensor, background: Tensor) -> Tensor:
    """Colours (3, B, R) of points on the walls numbered (B,) as in `BACKGROUNDS`."""
    tones = _WALL_TABLE[background].movedim(-1, 0)[..., None]
    return torch.lerp(tones[:, :, 0], tones[:, :, 1], (point[1] / 3.2).clamp(0, 1))
