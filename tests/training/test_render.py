"""The renderer against closed forms in float64, and against itself."""

import math

import numpy as np
import pytest
import torch

from training import render as camera
from training.geometry import INTERSECTIONS, normals
from training.render import render
from training.scene import COLORS, FINISHES, SHAPES, Scene, Solid, sample_scenes

SIZE = 32


def rays(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Origin, unit directions (SIZE, SIZE, 3) and the camera's axis, worked out by hand."""
    tilt = scene.elevation
    axis = np.array([0, -math.sin(tilt), math.cos(tilt)])
    up = np.array([0, math.cos(tilt), math.sin(tilt)])
    right = np.array([1.0, 0, 0])
    origin = np.array([0, scene.focus, 0]) - camera._DISTANCE * axis
    grid = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1) * scene.half_width / camera._DISTANCE
    directions = axis + grid[None, :, None] * right - grid[:, None, None] * up
    return origin, directions / np.linalg.norm(directions, axis=-1, keepdims=True), axis


@pytest.mark.parametrize(("size", "radius"), [("large", 1.0), ("small", 0.6)])
def test_depth_and_mask_of_a_sphere_are_exact(size, radius):
    scene = Scene((Solid("sphere", "red", size, "shiny", x=0.2, z=-0.1),), "grey", "sky")
    views = render([scene], SIZE)
    origin, directions, axis = rays(scene)
    to_center = np.array([0.2, radius, -0.1]) - origin
    along = directions @ to_center
    under = radius**2 - (to_center @ to_center - along**2)
    hit = under > 0
    depth = (along - np.sqrt(np.where(hit, under, 0))) * (directions @ axis)
    assert (views.masks[0, 0].numpy() == hit).mean() >= 1 - 1 / SIZE**2
    inside = hit & views.masks[0, 0].numpy()
    assert inside.sum() > 50
    assert np.abs(views.depth[0].numpy() - depth)[inside].max() <= 2e-3
    floor = -origin[1] / directions[..., 1] * (directions @ axis)
    below = ~hit & (np.arange(SIZE)[:, None] > SIZE * 0.9)
    assert np.abs(views.depth[0].numpy() - floor)[below].max() <= 2e-3


@pytest.mark.parametrize("shape", SHAPES)
def test_rays_end_on_the_surface_and_normals_stand_on_it(shape):
    generator = torch.Generator().manual_seed(0)
    origin = torch.randn(3, 1, 4000, generator=generator)
    origin = 4 * origin / origin.norm(dim=0)
    aim = 0.9 * torch.randn(3, 1, 4000, generator=generator)
    direction = (aim - origin) / (aim - origin).norm(dim=0)
    distance = INTERSECTIONS[shape](origin, direction)
    hit = distance.isfinite()
    assert 300 < hit.sum() < 4000
    point = (origin + torch.where(hit, distance, 0) * direction)[:, hit]
    normal = normals(point, torch.full(point.shape[1:], SHAPES.index(shape)))
    assert (normal.norm(dim=0) - 1).abs().max() <= 1e-4
    # seen from outside: the surface faces the ray nearly everywhere, edges aside
    facing = (normal * direction[:, hit]).sum(0)
    assert (facing < 0.05).float().mean() >= 0.995
    # a step outwards is not hit again, a step inwards is left through the surface
    again = INTERSECTIONS[shape]((point + 0.02 * normal)[:, None], normal[:, None])
    assert again.isinf().float().mean() >= 0.9


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_seen_in_its_colour(shape):
    sizes = []
    for color in ("red", "green", "blue"):
        scene = Scene((Solid(shape, color, "large", "matte", angle=0.4),), "grey", "grey")
        views = render([scene], SIZE)
        mean = views.images[0][:, views.masks[0, 0]].mean(1)
        assert mean.argmax().item() == ("red", "green", "blue").index(color)
        sizes.append(views.masks[0, 0].sum().item())
    assert len(set(sizes)) == 1 and sizes[0] > SIZE * SIZE / 12


def test_finishes_and_colours_differ():
    solids = [Solid("sphere", color, "large", f) for color in COLORS for f in FINISHES]
    images = render([Scene((solid,), "wooden", "sky") for solid in solids], SIZE).images
    apart = (
        torch.cdist(images.flatten(1)[None], images.flatten(1)[None], p=1)[0] / images[0].numel()
    )
    apart.fill_diagonal_(1)
    assert apart.min() > 0.004


def test_glass_shows_what_is_behind():
    def middle(finish, floor):
        scene = Scene((Solid("sphere", "white", "large", finish),), floor, "sky")
        return render([scene], SIZE).images[0][:, 12:20, 12:20]

    changed = {
        f: (middle(f, "white") - middle(f, "blue")).abs().mean().item() for f in ("matte", "glass")
    }
    assert changed["glass"] > 3 * changed["matte"]


def test_a_solid_darkens_the_floor_beside_it():
    with_solid = Scene((Solid("cylinder", "white", "large", "matte"),), "white", "sky")
    without = Scene((Solid("cylinder", "white", "large", "matte", z=-30.0),), "white", "sky")
    lit, empty = render([with_solid, without], SIZE).images
    # the light comes from the left
    right = slice(int(SIZE * 0.75), int(SIZE * 0.9))
    floor = slice(int(SIZE * 0.55), int(SIZE * 0.75))
    assert lit[:, floor, right].mean() < 0.95 * empty[:, floor, right].mean()


def test_a_batch_equals_its_scenes_one_by_one():
    scenes = sample_scenes(4, seed=9)
    together = render(scenes, SIZE)
    for number, scene in enumerate(scenes):
        alone = render([scene], SIZE)
        assert (together.images[number] - alone.images[0]).abs().max() <= 1e-4
        assert torch.equal(together.masks[number], alone.masks[0])
    assert together.images.min() >= 0 and together.images.max() <= 1
