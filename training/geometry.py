"""Where rays meet solids, in their own frames: closed forms, and a march for the torus.

Vectors keep their three components first, `(3, N, R)` for N solids and R rays, so that every
formula is a few operations on whole planes. A shape's own frame has the y axis up and a size of
about one; `HALF_HEIGHTS` of the scene says how far its foot lies below the origin.
"""

import torch
from torch import Tensor

from training.scene import HALF_HEIGHTS, SHAPES

__all__ = ["INTERSECTIONS", "normals"]

_CYLINDER_RADIUS = 0.75
_CONE_RADIUS = 1.0
_TORUS_RADIUS, _TUBE = 0.72, HALF_HEIGHTS["torus"]
_PYRAMID_HALF = 0.85  # half of an edge of its base
_NEAR = 1e-3
_TINY = 1e-9
_MARCH = 40


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


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _sphere(o: Tensor, d: Tensor) -> Tensor:
    return _entry(*_roots(_dot(d, d), _dot(o, d), _dot(o, o) - 1.0))


def _cube(o: Tensor, d: Tensor) -> Tensor:
    x, y, z = (_slab(o[axis], d[axis], HALF_HEIGHTS["cube"]) for axis in range(3))
    low = torch.maximum(torch.maximum(x[0], y[0]), z[0])
    return _entry(low, torch.minimum(torch.minimum(x[1], y[1]), z[1]))


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


def _pyramid(o: Tensor, d: Tensor) -> Tensor:
    half = HALF_HEIGHTS["pyramid"]
    # the base, then four sides a |x| + y = half, where a leads from the tip to the base's edge
    slope = 2 * half / _PYRAMID_HALF
    planes = [(-o[1] - half, -d[1])]
    for axis in (0, 2):
        for sign in (slope, -slope):
            planes.append((sign * o[axis] + o[1] - half, sign * d[axis] + d[1]))
    low = torch.full_like(d[0], -torch.inf)
    high = torch.full_like(d[0], torch.inf)
    for outside, towards in planes:
        crossing = -outside / _safe(towards)
        low = torch.where(towards < 0, torch.maximum(low, crossing), low)
        high = torch.where(towards > 0, torch.minimum(high, crossing), high)
    return _entry(low, high)


def _torus(o: Tensor, d: Tensor) -> Tensor:
    # from where the ray meets the ball around it, as far each time as nothing can be in the way
    length = _dot(d, d).sqrt()
    outer = _TORUS_RADIUS + _TUBE
    first, last = _roots(_dot(d, d), _dot(o, d), _dot(o, o) - outer**2)
    along = first.clamp(min=_NEAR)
    missed = last <= along
    along = torch.where(missed, 0.0, along)
    away = length
    for _ in range(_MARCH):
        x, y, z = o[0] + along * d[0], o[1] + along * d[1], o[2] + along * d[2]
        ring = (x * x + z * z).sqrt() - _TORUS_RADIUS
        away = (ring * ring + y * y).sqrt() - _TUBE
        along = along + away / length
    return torch.where(missed | (away > 4e-3) | (along < 2 * _NEAR), torch.inf, along)


INTERSECTIONS = {
    "sphere": _sphere,
    "cube": _cube,
    "cylinder": _cylinder,
    "cone": _cone,
    "torus": _torus,
    "pyramid": _pyramid,
}
"""Shape -> function of origins and directions `(3, N, R)`: distance `(N, R)`, inf for a miss.

A ray that begins inside a solid may or may not meet it from within.
"""
assert tuple(INTERSECTIONS) == SHAPES


def normals(point: Tensor, code: Tensor) -> Tensor:
    """Outward unit normals at points of the surface, in the solid's own frame.

    point: `(3, ...)`; code: `(...)`, the index of the shape in `SHAPES`.
    """
    x, y, z = point
    zero = torch.zeros_like(x)
    steepest = torch.maximum(torch.maximum(x.abs(), y.abs()), z.abs())
    cube = torch.where(point.abs() >= steepest, point.sign(), 0.0)
    lid = y.abs() > HALF_HEIGHTS["cylinder"] - 1e-3
    cylinder = torch.where(lid, torch.stack((zero, y.sign(), zero)), torch.stack((x, zero, z)))
    around = (x * x + z * z).sqrt()
    down = torch.stack((zero, zero - 1.0, zero))
    cone = torch.stack((x, around * (_CONE_RADIUS / 2), z))
    cone = torch.where(y < -1.0 + 1e-3, down, cone)
    outwards = 1.0 - _TORUS_RADIUS / _safe(around)
    torus = torch.stack((x * outwards, y, z * outwards))
    half = HALF_HEIGHTS["pyramid"]
    slope = 2 * half / _PYRAMID_HALF
    across = x.abs() >= z.abs()
    pyramid = torch.stack(
        (
            torch.where(across, slope * x.sign(), zero),
            zero + 1.0,
            torch.where(across, zero, slope * z.sign()),
        )
    )
    pyramid = torch.where(y < -half + 1e-3, down, pyramid)
    chosen = point
    for number, candidate in enumerate((cube, cylinder, cone, torus, pyramid), 1):
        chosen = torch.where(code == number, candidate, chosen)
    return chosen / _dot(chosen, chosen).sqrt().clamp(min=_TINY)
