"""A small batched ray tracer: pictures, exact depth and exact object masks of scenes.

Vectors keep their components first: `(3, B, R)` for B scenes and R rays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from training.geometry import INTERSECTIONS, normals
from training.materials import floor_color, floor_gloss, solid_color, wall_color
from training.scene import (
    BACKGROUNDS,
    COLORS,
    FINISHES,
    FLOORS,
    HALF_HEIGHTS,
    MAX_SOLIDS,
    SHAPES,
    Scene,
)

__all__ = ["SIZE", "Views", "render", "render_all"]

SIZE = 128
"""Pixels along an edge of the pictures that the models learn from."""

_WALL = 3.6
_DISTANCE = 9.0
_LIGHT_HEIGHT = math.radians(48.0)
_LIGHT_SPREAD = 0.16
_SHADOW_RAYS = 2
_SUPERSAMPLING = 2
_EDGE = 0.03
_AT_ONCE = 4
_GLASS_INDEX = 1.25
_MATTE, _SHINY, _METAL, _GLASS = range(len(FINISHES))
# Where a ray ends that meets no solid.
_FLOOR, _BACK = -1, -2


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
    finish: Tensor
    scale: Tensor
    center: Tensor  # (3, B, K)
    angle: Tensor
    floor: Tensor
    background: Tensor
    half_width: Tensor
    focus: Tensor
    elevation: Tensor
    light: Tensor  # (3, B, 1), unit vectors


class _Hit(NamedTuple):
    distance: Tensor
    solid: Tensor


def _batch(scenes: Sequence[Scene]) -> _Batch:
    shape = torch.full((len(scenes), MAX_SOLIDS), -1)
    color, finish = torch.zeros_like(shape), torch.zeros_like(shape)
    scale, angle = (torch.ones(len(scenes), MAX_SOLIDS) for _ in range(2))
    center = torch.zeros(3, len(scenes), MAX_SOLIDS)
    for b, scene in enumerate(scenes):
        for k, solid in enumerate(scene.solids):
            shape[b, k] = SHAPES.index(solid.shape)
            color[b, k] = COLORS.index(solid.color)
            finish[b, k] = FINISHES.index(solid.finish)
            scale[b, k] = solid.scale
            angle[b, k] = solid.angle
            height = solid.y + solid.scale * HALF_HEIGHTS[solid.shape]
            center[:, b, k] = torch.tensor((solid.x, height, solid.z))
    azimuth = torch.tensor([scene.azimuth for scene in scenes])
    flat, up = math.cos(_LIGHT_HEIGHT), math.sin(_LIGHT_HEIGHT)
    light = torch.stack((flat * azimuth.sin(), torch.full_like(azimuth, up), -flat * azimuth.cos()))
    return _Batch(
        shape,
        color,
        finish,
        scale,
        center,
        angle,
        torch.tensor([FLOORS.index(scene.floor) for scene in scenes]),
        torch.tensor([BACKGROUNDS.index(scene.background) for scene in scenes]),
        torch.tensor([scene.half_width for scene in scenes]),
        torch.tensor([scene.focus for scene in scenes]),
        torch.tensor([scene.elevation for scene in scenes]),
        light[..., None],
    )


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _turn(vector: Tensor, angle: Tensor) -> Tensor:
    """Turn vectors (3, ...) about the y axis."""
    cos, sin = angle.cos(), angle.sin()
    x, y, z = vector
    return torch.stack((cos * x + sin * z, y, cos * z - sin * x))


def _unit(vector: Tensor) -> Tensor:
    return vector / _dot(vector, vector).sqrt()


def _rays(batch: _Batch, right: Tensor, down: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rays through places (1 or B, R) of the picture, -1..1.

    Returns origins (3, B, 1), unit directions (3, B, R) and the axis of the camera (3, B, 1).
    """
    sin, cos = batch.elevation.sin()[:, None], batch.elevation.cos()[:, None]
    zero = torch.zeros_like(sin)
    forward, up = torch.stack((zero, -sin, cos)), torch.stack((zero, cos, sin))
    focus = torch.stack((zero, batch.focus[:, None], zero))
    tangent = (batch.half_width / _DISTANCE)[:, None]
    x, y = right * tangent, -down * tangent
    direction = y * up + forward
    direction[0] += x
    return focus - _DISTANCE * forward, _unit(direction), forward


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


def _trace(batch: _Batch, origin: Tensor, direction: Tensor, leaving: Tensor | None = None) -> _Hit:
    """Nearest surface: solid 0.., `_FLOOR` or `_BACK`. leaving (B, R): a solid not to be met."""
    distances = _distances(batch, origin, direction)
    if leaving is not None:
        own = leaving[:, None] == torch.arange(MAX_SOLIDS)[:, None]
        distances = torch.where(own, torch.inf, distances)
    nearest, solid = distances.min(1)
    floor = torch.where(direction[1] < -1e-6, -origin[1] / direction[1].clamp(max=-1e-6), torch.inf)
    wall = torch.where(
        direction[2] > 1e-6, (_WALL - origin[2]) / direction[2].clamp(min=1e-6), torch.inf
    )
    solid = torch.where(nearest <= torch.minimum(floor, wall), solid, _FLOOR)
    # Rays towards the viewer meet nothing: an open room, lit like the wall.
    solid = torch.where((wall <= floor) & (wall < nearest), _BACK, solid)
    nearest = torch.minimum(nearest, torch.minimum(floor, wall))
    solid = torch.where(nearest.isinf(), _BACK, solid)
    return _Hit(nearest.clamp(max=60.0), solid)


def _light(batch: _Batch, point: Tensor, inside: Tensor) -> Tensor:
    """Light (3, B, R) that comes from a square lamp: 0 in full shadow, 1 in none.

    inside (R,): which sample of its pixel a point is; those of a pixel cover the lamp evenly.
    Glass lets through some light, in its colour.
    """
    total = _SUPERSAMPLING**2 * _SHADOW_RAYS
    glass = (batch.finish == _GLASS)[..., None]
    passed = solid_color(batch.color)[..., None] * torch.where(glass, 0.75, 0.0)
    passed = passed + torch.where(glass, 0.15, 0.0)
    lit = torch.zeros_like(point)
    for sample in range(_SHADOW_RAYS):
        cell = inside * _SHADOW_RAYS + sample
        u, v = (2 * cell + 1) / total - 1, (2 * (cell * 5 % total) + 1) / total - 1
        spread = torch.stack((u * _LIGHT_SPREAD, torch.zeros_like(u), v * _LIGHT_SPREAD))
        towards = _unit(batch.light + spread[:, None])
        blocked = _distances(batch, point, towards).isfinite()
        arriving = torch.ones_like(point)
        for k in range(MAX_SOLIDS):
            arriving = torch.where(blocked[:, k], arriving * passed[:, :, k], arriving)
        lit += arriving
    return lit / _SHADOW_RAYS


def _openness(batch: _Batch, point: Tensor, on_solid: Tensor) -> Tensor:
    """Share of the sky that a place sees: less near the foot of a solid, and under the wall."""
    open_sky = 1 - 0.35 * (1 - (_WALL - point[2]) / 0.9).clamp(0, 1) * ~on_solid
    for k in range(MAX_SOLIDS):
        x, y, z = batch.center[:, :, k, None]
        scale = batch.scale[:, k, None]
        away = ((point[0] - x) ** 2 + (point[2] - z) ** 2).sqrt() / scale
        near = (1.6 - away).clamp(0, 1) * (batch.shape[:, k, None] >= 0) * (y < 1.3 * scale)
        glass = batch.finish[:, k, None] == _GLASS
        open_sky = open_sky * (1 - torch.where(glass, 0.25, 0.55) * near * ~on_solid)
    # the lower part of a solid sees little sky
    return open_sky * torch.where(on_solid, (0.62 + 0.6 * point[1]).clamp(max=1.0), 1.0)


def _surroundings(batch: _Batch, direction: Tensor) -> Tensor:
    """What is seen where nothing stands: the wall's colours, and a soft lamp."""
    sky = wall_color(3.6 * (0.35 + 0.65 * direction[1]).clamp(0, 1), batch.background)
    lamp = ((_dot(direction, batch.light) - 0.9) / 0.06).clamp(0, 1)
    return 0.75 * sky + 0.06 + 1.1 * lamp


def _mirror(direction: Tensor, normal: Tensor) -> Tensor:
    return direction - 2 * _dot(direction, normal) * normal


def _refract(direction: Tensor, normal: Tensor) -> Tensor:
    """Directions behind the surface of glass (Snell's law)."""
    ratio = 1 / _GLASS_INDEX
    cosine = -_dot(direction, normal)
    under = (1 - ratio**2 * (1 - cosine**2)).clamp(min=0).sqrt()
    return ratio * direction + (ratio * cosine - under) * normal


def _radiance(
    batch: _Batch,
    origin: Tensor,
    direction: Tensor,
    inside: Tensor,
    leaving: Tensor | None = None,
) -> tuple[Tensor, _Hit]:
    """Linear light (3, B, R) that comes back along rays; those `leaving` a solid are seen in it.

    inside (R,): which sample of its pixel a ray is.
    """
    first = leaving is None
    hit = _trace(batch, origin, direction, leaving)
    point = origin + hit.distance * direction
    on_solid = hit.solid >= 0
    index = hit.solid.clamp(min=0)
    rows = torch.arange(len(index))[:, None]
    own = (point - batch.center[:, rows, index]) / batch.scale[rows, index]
    angle = batch.angle[rows, index]
    normal = _turn(normals(_turn(own, angle), batch.shape[rows, index]), -angle)
    normal = torch.where(on_solid, normal, torch.tensor((0.0, 1.0, 0.0)).reshape(3, 1, 1))
    finish = torch.where(on_solid, batch.finish[rows, index], _MATTE)
    color = torch.where(
        on_solid, solid_color(batch.color[rows, index]), floor_color(point, batch.floor)
    )
    lamp = _light(batch, point + 3e-3 * normal, inside) if first else 1.0
    facing = _dot(normal, batch.light).clamp(min=0)
    open_sky = _openness(batch, point, on_solid)
    bounce = floor_color(point[:, :, :1], batch.floor, patterned=False)
    ambient = (0.27 + 0.13 * normal[1]) * open_sky
    ambient = ambient + 0.14 * (0.5 - 0.5 * normal[1]) * bounce * open_sky
    diffuse = color * (ambient + 0.85 * facing * lamp)

    mirror = _mirror(direction, normal)
    glass = finish == _GLASS
    if first:
        onwards = torch.where(glass, _refract(direction, normal), mirror)
        begin = torch.where(on_solid, hit.solid, -3)
        seen, _ = _radiance(batch, point + 3e-3 * mirror, onwards, inside, begin)
        around = torch.where(glass, _surroundings(batch, mirror), seen)
    else:
        # seen in a mirror or through glass: what stands behind is not followed further
        around = _surroundings(batch, mirror)
        seen = torch.where(glass, _surroundings(batch, direction), around)
    grazing = (1 + _dot(direction, normal)).clamp(0, 1) ** 4
    glint = _dot(mirror, batch.light).clamp(min=0) ** 60 * lamp

    gloss = torch.where(on_solid, 0.0, floor_gloss(batch.floor)[:, None])
    gloss = torch.where(finish == _SHINY, 0.07, gloss)
    plain = diffuse + gloss * (1 + 4.5 * grazing) * around
    plain = plain + torch.where(finish == _SHINY, 1.0, 0.0) * glint
    tint = torch.lerp(color, torch.ones_like(color), 0.06 + 0.5 * grazing)
    metal = 0.42 * diffuse + 0.8 * tint * around + 0.9 * tint * glint
    body = torch.lerp(color.clamp(min=0.02) ** 0.8, torch.ones_like(color), 0.04)
    clear = 0.7 * body * seen + 0.3 * diffuse + (0.05 + 0.55 * grazing) * around + 1.1 * glint
    light = torch.where(finish == _METAL, metal, torch.where(glass, clear, plain))
    wall = wall_color(point[1], batch.background)
    if not first:
        wall = torch.where(hit.distance < 59.0, wall, _surroundings(batch, direction))
    return torch.where(hit.solid == _BACK, wall, light), hit


def _encode(light: Tensor) -> Tensor:
    """Linear light to sRGB, nearly."""
    return light.clamp(0, 1) ** (1 / 2.2)


def _edges(image: Tensor, size: int) -> Tensor:
    """The greatest difference (B, size^2) of neighbours at and around pixels (3, B, size^2)."""
    image = image.unflatten(-1, (size, size))
    most = torch.zeros(image.shape[1:])
    for axis in (-1, -2):
        step = image.diff(dim=axis).abs().amax(0)
        for start in (0, 1):
            part = most.narrow(axis, start, size - 1)
            torch.maximum(part, step, out=part)
    return max_pool2d(most, 3, 1, 1).flatten(1)


@torch.inference_mode()
def render(scenes: Sequence[Scene], size: int = SIZE) -> Views:
    """Draw scenes as square pictures of `size` pixels, with their exact depth and masks.

    Pixels at edges are drawn again, as the mean of four samples.
    """
    batch = _batch(scenes)
    grid = (torch.arange(size) + 0.5) / size * 2 - 1
    down, right = (axis.reshape(1, -1) for axis in torch.meshgrid(grid, grid, indexing="ij"))
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    inside = (rows % 2 * 2 + columns % 2).flatten()
    origin, direction, forward = _rays(batch, right, down)
    light, hit = _radiance(batch, origin, direction, inside)
    depth = hit.distance * _dot(direction, forward)
    masks = hit.solid[:, None] == torch.arange(MAX_SOLIDS)[:, None]

    edges = _edges(_encode(light), size)
    count = int((edges > _EDGE).sum(1).amax())
    again = edges.topk(count).indices
    offsets = ((torch.arange(_SUPERSAMPLING) + 0.5) / _SUPERSAMPLING * 2 - 1) / size
    below, beside = (axis.reshape(-1) for axis in torch.meshgrid(offsets, offsets, indexing="ij"))
    samples = len(offsets) ** 2
    origin, direction, _ = _rays(
        batch,
        (right[0, again][..., None] + beside).flatten(1),
        (down[0, again][..., None] + below).flatten(1),
    )
    finer, _ = _radiance(batch, origin, direction, torch.arange(samples).repeat(count))
    finer = finer.clamp(0, 1).unflatten(-1, (count, samples)).mean(-1)
    # a picture with fewer edges than another of its batch keeps the rest as it is
    again = again.expand(3, -1, -1)
    needed = (edges > _EDGE).expand(3, -1, -1).gather(2, again)
    light.scatter_(2, again, torch.where(needed, finer, light.gather(2, again)))
    images = _encode(light).movedim(0, 1).unflatten(-1, (size, size))
    shape = (len(scenes), -1, size, size)
    return Views(images, depth.unflatten(-1, (size, size)), masks.reshape(shape))


def render_all(scenes: Sequence[Scene], size: int = SIZE) -> Views:
    """Draw any number of scenes, a few at a time, which is faster and needs less memory."""
    parts = [render(scenes[i : i + _AT_ONCE], size) for i in range(0, len(scenes), _AT_ONCE)]
    return Views(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
