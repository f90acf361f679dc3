"""Where rays meet solids: closed forms for four convex shapes in their own frames.

Vectors keep their three components first, `(3, N, R)` for N solids and R rays, so that every
formula is a few operations on whole planes. A shape's own frame has the y axis up and a size of
about one; `HALF_HEIGHTS` says how far its foot lies below the origin.
"""

import torch
from torch import Tensor

__all__ = ["HALF_HEIGHTS", "INTERSECTIONS", "normals"]

HALF_HEIGHTS = {"sphere": 1.0, "cube": 0.8, "cylinder": 0.95, "cone": 1.0}
_CYLINDER_RADIUS = 0.75
_CONE_RADIUS = 1.0
_NEAR = 1e-3
_TINY = 1e-9


def _safe(values: Tensor) -> Tensor:
    """Values pushed away from zero, for division."""
    return torch.where(values.abs() < _TINY, _TINY, values)


def _entry(first: Tensor, last: Tensor) -> Tensor:
    """First point of an interval of the ray that begins before us, infinity where there is none."""
    return torch.where((first < last) & (first > _NEAR), first, torch.inf)


def _slab(origin: Tensor, direction: Tensor, half: float) -> tuple[Tensor, Tensor]:
    inverse = 1.0 / _safe(direction)
    low, high = (-half - origin) * inverse, (half - origin) * inverse
    return torch.minimum(low, high), torch.maximum(low, high)


def _roots(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Both solutions of a t^2 + 2 b t + c = 0, an empty interval where there are none."""
    under = b * b - a * c
    root = under.clamp(min=0).sqrt()
    a = _safe(a)
    first = torch.where(under > 0, (-b - root) / a, torch.inf)
    return first, torch.where(under > 0, (-b + root) / a, -torch.inf)


def _sphere(o: Tensor, d: Tensor) -> Tensor:
    return _entry(*_roots((d * d).sum(0), (o * d).sum(0), (o * o).sum(0) - 1.0))


def _cube(o: Tensor, d: Tensor) -> Tensor:
    low, high = _slab(o, d, HALF_HEIGHTS["cube"])
    return _entry(low.amax(0), high.amin(0))


def _cylinder(o: Tensor, d: Tensor) -> Tensor:
    ends = _slab(o[1], d[1], HALF_HEIGHTS["cylinder"])
    side = _roots(
        d[0] * d[0] + d[2] * d[2],
        o[0] * d[0] + o[2] * d[2],
        o[0] * o[0] + o[2] * o[2] - _CYLINDER_RADIUS**2,
    )
    return _entry(torch.maximum(ends[0], side[0]), torch.minimum(ends[1], side[1]))


def _cone(o: Tensor, d: Tensor) -> Tensor:
    # x^2 + z^2 = m (1 - y)^2 with the tip at y = 1; the mirrored half above the tip is left out.
    m = (_CONE_RADIUS / 2) ** 2
    below = 1.0 - o[1]
    sides = _roots(
        d[0] * d[0] + d[2] * d[2] - m * d[1] * d[1],
        o[0] * d[0] + o[2] * d[2] + m * below * d[1],
        o[0] * o[0] + o[2] * o[2] - m * below * below,
    )
    base = (-1.0 - o[1]) / _safe(d[1])
    radius = (o[0] + base * d[0]) ** 2 + (o[2] + base * d[2]) ** 2
    nearest = torch.where((radius <= _CONE_RADIUS**2) & (base > _NEAR), base, torch.inf)
    for side in sides:
        height = o[1] + side * d[1]
        hit = (height.abs() <= 1.0) & (side > _NEAR)
        nearest = torch.where(hit, torch.minimum(nearest, side), nearest)
    return nearest


INTERSECTIONS = {"sphere": _sphere, "cube": _cube, "cylinder": _cylinder, "cone": _cone}
"""Shape -> function of origins and directions `(3, N, R)`: distance `(N, R)`, inf for a miss."""


def normals(point: Tensor, code: Tensor) -> Tensor:
    """Outward unit normals at points of the surface, in the solid's own frame.

    point: `(3, ...)`; code: `(...)`, the index of the shape in `INTERSECTIONS`.
    """
    x, y, z = point
    zero = torch.zeros_like(x)
    steepest = point.abs() >= point.abs().amax(0, keepdim=True)
    cube = torch.where(steepest, point.sign(), 0.0)
    lid = y.abs() > HALF_HEIGHTS["cylinder"] - 1e-3
    cylinder = torch.where(lid, torch.stack((zero, y.sign(), zero)), torch.stack((x, zero, z)))
    slope = (x * x + z * z).sqrt() * (_CONE_RADIUS / 2)
    down = torch.stack((zero, zero - 1.0, zero))
    cone = torch.where(y < -1.0 + 1e-3, down, torch.stack((x, slope, z)))
    chosen = point
    for index, candidate in ((1, cube), (2, cylinder), (3, cone)):
        chosen = torch.where(code == index, candidate, chosen)
    return torch.nn.functional.normalize(chosen, dim=0)
