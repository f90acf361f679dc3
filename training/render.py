"""A small batched ray tracer: pictures, exact depth and exact object masks of scenes.

Vectors keep their components first: `(3, B, R)` for B scenes and R rays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from training.geometry import HALF_HEIGHTS, INTERSECTIONS, normals
from training.materials import floor_color, solid_color, wall_color
from training.scene import BACKGROUNDS, COLORS, FLOORS, MAX_SOLIDS, SHAPES, Scene

__all__ = ["Views", "render"]

_WALL = 3.2
_FOCUS_HEIGHT = 0.78
_DISTANCE = 9.0
_ELEVATION = math.radians(21.0)
_LIGHT = (-0.62, 1.0, -0.72)
_LIGHT_SPREAD = 0.15
_SHADOW_RAYS = 2
_SUPERSAMPLING = 2


class Views(NamedTuple):
    """What the camera sees of B scenes.

    images: `(B, 3, H, W)` float32 in 0..1, sRGB. depth: `(B, H, W)`, distance from the camera
    along its axis through the centre of each pixel, in scene units. masks: `(B, 3, H, W)` bool,
    pixels whose centre shows solid k.
    """

    images: Tensor
    depth: Tensor
    masks: Tensor


@dataclass(frozen=True)
class _Batch:
    """Scenes as tensors: `(B, K)` for solids, `(B,)` for the rest."""

    shape: Tensor
    color: Tensor
    scale: Tensor
    shiny: Tensor
    center: Tensor  # (3, B, K)
    angle: Tensor
    floor: Tensor
    background: Tensor
    half_width: Tensor


class _Hit(NamedTuple):
    distance: Tensor
    solid: Tensor


def _batch(scenes: Sequence[Scene]) -> _Batch:
    shape = torch.full((len(scenes), MAX_SOLIDS), -1)
    color = torch.zeros_like(shape)
    scale, shiny, angle = (torch.ones(len(scenes), MAX_SOLIDS) for _ in range(3))
    center = torch.zeros(3, len(scenes), MAX_SOLIDS)
    for b, scene in enumerate(scenes):
        for k, solid in enumerate(scene.solids):
            shape[b, k] = SHAPES.index(solid.shape)
            color[b, k] = COLORS.index(solid.color)
            scale[b, k] = solid.scale
            shiny[b, k] = float(solid.finish == "shiny")
            angle[b, k] = solid.angle
            height = solid.scale * HALF_HEIGHTS[solid.shape]
            center[:, b, k] = torch.tensor((solid.x, height, solid.z))
    return _Batch(
        shape,
        color,
        scale,
        shiny,
        center,
        angle,
        torch.tensor([FLOORS.index(scene.floor) for scene in scenes]),
        torch.tensor([BACKGROUNDS.index(scene.background) for scene in scenes]),
        torch.tensor([scene.half_width for scene in scenes]),
    )


def _turn(vector: Tensor, angle: Tensor) -> Tensor:
    """Turn vectors (3, ...) about the y axis."""
    cos, sin = angle.cos(), angle.sin()
    x, y, z = vector
    return torch.stack((cos * x + sin * z, y, cos * z - sin * x))


def _camera(batch: _Batch, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Origin (3, 1, 1), unit directions (3, B, size^2) and their share along the axis."""
    forward = torch.tensor((0.0, -math.sin(_ELEVATION), math.cos(_ELEVATION)))
    up = torch.tensor((0.0, math.cos(_ELEVATION), math.sin(_ELEVATION)))
    origin = torch.tensor((0.0, _FOCUS_HEIGHT, 0.0)) - _DISTANCE * forward
    grid = (torch.arange(size) + 0.5) / size * 2 - 1
    down, right = torch.meshgrid(grid, grid, indexing="ij")
    tangent = (batch.half_width / _DISTANCE)[:, None]
    x, y = right.reshape(1, -1) * tangent, -down.reshape(1, -1) * tangent
    vertical = y * up[:, None, None] + forward[:, None, None]
    direction = vertical + torch.stack((x, torch.zeros_like(x), torch.zeros_like(x)))
    length = direction.norm(dim=0)
    return origin.reshape(3, 1, 1), direction / length, 1.0 / length


def _distances(batch: _Batch, origin: Tensor, direction: Tensor) -> Tensor:
    """Distance (B, K, R) to each solid along rays (3, B, R), infinity where one is missed."""
    rays = direction.shape[-1]
    distances = direction.new_full((*batch.shape.shape, rays), torch.inf)
    origin = origin.expand_as(direction)
    for code, intersect in enumerate(INTERSECTIONS.values()):
        b, k = (batch.shape == code).nonzero(as_tuple=True)
        if len(b) == 0:
            continue
        angle, scale = batch.angle[b, k, None], batch.scale[b, k, None]
        own_origin = _turn((origin[:, b] - batch.center[:, b, k, None]) / scale, angle)
        own_direction = _turn(direction[:, b] / scale, angle)
        distances[b, k] = intersect(own_origin, own_direction)
    return distances


def _trace(batch: _Batch, origin: Tensor, direction: Tensor) -> _Hit:
    """Nearest surface: solid 0.., -1 for the floor, -2 for the wall."""
    nearest, solid = _distances(batch, origin, direction).min(1)
    falling = direction[1] < -1e-6
    floor = torch.where(falling, -origin[1] / direction[1].clamp(max=-1e-6), torch.inf)
    leaving = direction[2] > 1e-6
    wall = torch.where(leaving, (_WALL - origin[2]) / direction[2].clamp(min=1e-6), torch.inf)
    solid = torch.where(nearest <= torch.minimum(floor, wall), solid, -1)
    solid = torch.where((wall < floor) & (wall < nearest), -2, solid)
    # Rays towards the viewer meet nothing: an open room, lit like the wall.
    nearest = torch.minimum(nearest, torch.minimum(floor, wall)).clamp(max=60.0)
    return _Hit(nearest, solid)


def _light(batch: _Batch, point: Tensor, side: int) -> Tensor:
    """Share of a square light seen from points (3, B, side^2): 0 in full shadow, 1 in none.

    The samples of a pixel differ, so that together they cover the square evenly.
    """
    columns = torch.arange(side * side)
    inside = (columns // side % 2) * 2 + columns % side % 2
    total = _SUPERSAMPLING**2 * _SHADOW_RAYS
    lit = torch.zeros(point.shape[1:])
    for sample in range(_SHADOW_RAYS):
        cell = inside * _SHADOW_RAYS + sample
        u, v = (2 * cell + 1) / total - 1, (2 * (cell * 5 % total) + 1) / total - 1
        light = torch.stack((u * _LIGHT_SPREAD, torch.zeros_like(u), v * _LIGHT_SPREAD))
        light = normalize(light + torch.tensor(_LIGHT)[:, None], dim=0)
        lit += _distances(batch, point, light[:, None].expand_as(point)).isinf().all(1)
    return lit / _SHADOW_RAYS


def _radiance(
    batch: _Batch, origin: Tensor, direction: Tensor, side: int, bounces: int
) -> tuple[Tensor, Tensor]:
    """Linear light (3, B, R) that comes back along rays."""
    hit = _trace(batch, origin, direction)
    point = origin + hit.distance * direction
    index = hit.solid.clamp(min=0)
    rows = torch.arange(len(index))[:, None]
    scale, angle = batch.scale[rows, index], batch.angle[rows, index]
    own = _turn((point - batch.center[:, rows, index]) / scale, angle)
    normal = _turn(normals(own, batch.shape[rows, index]), -angle)
    upwards = torch.tensor((0.0, 1.0, 0.0)).reshape(3, 1, 1)
    on_solid = hit.solid >= 0
    normal = torch.where(on_solid, normal, upwards)
    # A mirrored pattern is finer than a pixel: reflections see the floor's mean colour.
    floor = floor_color(point, batch.floor, patterned=bounces > 0)
    color = torch.where(on_solid, solid_color(batch.color[rows, index]), floor)
    light = normalize(torch.tensor(_LIGHT), dim=0).reshape(3, 1, 1)
    facing = (normal * light).sum(0).clamp(min=0)
    shadow = _light(batch, point + 2e-3 * normal, side) if bounces else 1.0
    ambient = (0.25 + 0.13 * normal[1]) * _openness(batch, point, on_solid)
    shaded = color * (ambient + 0.85 * facing * shadow)
    if bounces:
        shiny = batch.shiny[rows, index] * on_solid
        mirror = direction - 2 * (direction * normal).sum(0) * normal
        seen, _ = _radiance(batch, point + 2e-3 * normal, mirror, side, bounces - 1)
        grazing = (1 + (direction * normal).sum(0)).clamp(0, 1)
        shaded = shaded + shiny * (0.05 + 0.35 * grazing**4) * seen
        glint = (mirror * light).sum(0).clamp(min=0) ** 48
        shaded = shaded + shiny * 0.95 * glint * shadow
    return torch.where(hit.solid == -2, wall_color(point, batch.background), shaded), hit.solid


def _openness(batch: _Batch, point: Tensor, on_solid: Tensor) -> Tensor:
    """Share of the sky that the floor sees near the foot of a solid: a contact shadow."""
    open_sky = torch.ones(point.shape[1:])
    for k in range(MAX_SOLIDS):
        x, _, z = batch.center[:, :, k, None]
        away = ((point[0] - x) ** 2 + (point[2] - z) ** 2).sqrt() / batch.scale[:, k, None]
        near = (1.7 - away).clamp(0, 1) * (batch.shape[:, k, None] >= 0)
        open_sky = open_sky * (1 - 0.55 * near * ~on_solid)
    return open_sky


@torch.inference_mode()
def render(scenes: Sequence[Scene], size: int = 64) -> Views:
    """Draw scenes as square pictures of `size` pixels, with their exact depth and masks."""
    batch = _batch(scenes)
    side = size * _SUPERSAMPLING
    origin, direction, _ = _camera(batch, side)
    light, _ = _radiance(batch, origin, direction, side, bounces=1)
    light = light.clamp(0, 1).movedim(0, 1).reshape(len(scenes), 3, side, side)
    images = avg_pool2d(light, _SUPERSAMPLING) ** (1 / 2.2)
    origin, direction, along = _camera(batch, size)
    hit = _trace(batch, origin, direction)
    depth = (hit.distance * along).reshape(-1, size, size)
    masks = hit.solid[:, None] == torch.arange(MAX_SOLIDS)[:, None]
    return Views(images, depth, masks.reshape(-1, MAX_SOLIDS, size, size))
