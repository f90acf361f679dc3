"""Colours of solids, floors and walls, in linear light."""

import torch
from torch import Tensor

from training.scene import BACKGROUNDS, COLORS, FLOORS

__all__ = ["floor_color", "floor_gloss", "solid_color", "wall_color"]


def _linear(*colors: tuple[int, int, int]) -> Tensor:
    """sRGB bytes to linear light, (N, 3)."""
    return (torch.tensor(colors, dtype=torch.float32) / 255) ** 2.2


_SOLIDS = {
    "red": (218, 26, 30),
    "orange": (248, 128, 14),
    "yellow": (250, 212, 24),
    "green": (34, 150, 52),
    "cyan": (40, 200, 212),
    "blue": (28, 66, 216),
    "purple": (130, 40, 180),
    "pink": (250, 130, 178),
    "white": (244, 244, 242),
    "black": (34, 34, 38),
}

# Two tones a floor (planks, veins, squares, stripes, ripples; plain ones hardly vary), its gloss.
_FLOORS = {
    "wooden": ((192, 132, 80), (142, 88, 46), 0.06),
    "marble": ((232, 230, 228), (150, 150, 160), 0.14),
    "checkered": ((226, 224, 220), (64, 66, 78), 0.12),
    "cloth": ((196, 60, 62), (232, 214, 202), 0.0),
    "sandy": ((228, 206, 162), (206, 178, 130), 0.0),
    "white": ((236, 236, 236), (230, 230, 232), 0.06),
    "grey": ((132, 134, 140), (124, 126, 132), 0.06),
    "green": ((98, 158, 88), (90, 150, 80), 0.03),
    "blue": ((84, 118, 190), (78, 110, 182), 0.05),
}

# The colours of a wall at the table and at the top of the picture.
_WALLS = {
    "pink": ((248, 188, 204), (238, 148, 176)),
    "sky": ((204, 230, 250), (112, 174, 238)),
    "mint": ((204, 244, 220), (140, 216, 180)),
    "cream": ((252, 240, 208), (240, 218, 166)),
    "grey": ((186, 186, 190), (128, 128, 136)),
    "sunset": ((255, 186, 92), (196, 84, 130)),
    "night": ((46, 54, 112), (14, 16, 50)),
    "white": ((246, 246, 246), (234, 234, 238)),
    "black": ((30, 30, 32), (10, 10, 12)),
}

_SOLID_TABLE = _linear(*(_SOLIDS[name] for name in COLORS))
_FLOOR_TABLE = torch.stack([_linear(*_FLOORS[name][:2]) for name in FLOORS])
_GLOSS = torch.tensor([_FLOORS[name][2] for name in FLOORS])
_WALL_TABLE = torch.stack([_linear(*_WALLS[name]) for name in BACKGROUNDS])


def solid_color(code: Tensor) -> Tensor:
    """Colours (3, B, R) of the solids numbered (B, R) as in `COLORS`."""
    return _SOLID_TABLE[code].movedim(-1, 0)


def floor_gloss(floor: Tensor) -> Tensor:
    """How much the floors numbered (B,) as in `FLOORS` mirror, 0 to 1."""
    return _GLOSS[floor]


def _edge(value: Tensor, width: float) -> Tensor:
    """1 inside lines of a width around the whole numbers, 0 elsewhere, with soft sides."""
    away = (value - value.round()).abs()
    return ((width - away) / 0.03 + 0.5).clamp(0, 1)


def _wooden(x: Tensor, z: Tensor) -> Tensor:
    plank = (x * 1.1 + 0.3).floor()
    grain = 0.3 + 0.16 * (7 * x + 0.7 * (1.6 * z + plank * 2.1).sin() + plank * 1.7).sin()
    tone = 0.3 * ((plank * 12.9898).sin() * 43758.5).frac().abs()
    return torch.maximum(grain + tone, _edge(x * 1.1 + 0.3, 0.03))


def _marble(x: Tensor, z: Tensor) -> Tensor:
    bent = x + 0.5 * z + 0.55 * (1.3 * z + 0.4 * x).sin() + 0.25 * (2.9 * x - 1.1 * z).sin()
    vein = (1.9 * bent).sin().abs()
    return (1 - vein) ** 4 * 0.85 + 0.12 * (0.5 + 0.5 * (1.1 * x - 0.8 * z).sin())


def _checkered(x: Tensor, z: Tensor) -> Tensor:
    square = torch.sin(torch.pi * x * 0.9) * torch.sin(torch.pi * (z + 0.3) * 0.9)
    return (square * 14 + 0.5).clamp(0, 1)


def _cloth(x: Tensor, z: Tensor) -> Tensor:
    # gingham: two sets of stripes that add up where they cross
    across, along = (torch.sin(torch.pi * 1.15 * value) * 6 + 0.5 for value in (x + 0.2, z))
    return 0.5 * across.clamp(0, 1) + 0.5 * along.clamp(0, 1)


def _sandy(x: Tensor, z: Tensor) -> Tensor:
    return 0.5 + 0.5 * (4.2 * z + 0.8 * (1.5 * x).sin()).sin()


def _plain(x: Tensor, z: Tensor) -> Tensor:
    return 0.5 + 0.5 * (0.7 * x + 0.5 * z).sin()


_PATTERNS = {
    "wooden": _wooden,
    "marble": _marble,
    "checkered": _checkered,
    "cloth": _cloth,
    "sandy": _sandy,
}


def floor_color(point: Tensor, floor: Tensor, patterned: bool = True) -> Tensor:
    """Colours (3, B, R) of points (3, B, R) on the floors numbered (B,) as in `FLOORS`.

    Not `patterned`: the mean of both tones everywhere.
    """
    share = torch.full_like(point[0], 0.5)
    for code, name in enumerate(FLOORS if patterned else ()):
        rows = (floor == code).nonzero()[:, 0]
        if len(rows):
            share[rows] = _PATTERNS.get(name, _plain)(point[0, rows], point[2, rows])
    tones = _FLOOR_TABLE[floor].movedim(-1, 0)[..., None]
    return torch.lerp(tones[:, :, 0], tones[:, :, 1], share)


def wall_color(height: Tensor, background: Tensor) -> Tensor:
    """Colours (3, B, R) at heights (B, R) on the walls numbered (B,) as in `BACKGROUNDS`."""
    tones = _WALL_TABLE[background].movedim(-1, 0)[..., None]
    return torch.lerp(tones[:, :, 0], tones[:, :, 1], (height / 3.6).clamp(0, 1))
