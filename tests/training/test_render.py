"""The renderer against closed forms in float64, and against itself."""

import math

import numpy as np
import pytest
import torch

from training import render as camera
from training.render import render
from training.scene import SHAPES, Scene, Solid, sample_scenes

SIZE = 32


def rays(half_width: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Origin, unit directions (SIZE, SIZE, 3) and the camera's axis, worked out by hand."""
    tilt = camera._ELEVATION
    axis = np.array([0, -math.sin(tilt), math.cos(tilt)])
    up = np.array([0, math.cos(tilt), math.sin(tilt)])
    right = np.array([1.0, 0, 0])
    origin = np.array([0, camera._FOCUS_HEIGHT, 0]) - camera._DISTANCE * axis
    grid = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1) * half_width / camera._DISTANCE
    directions = axis + grid[None, :, None] * right - grid[:, None, None] * up
    return origin, directions / np.linalg.norm(directions, axis=-1, keepdims=True), axis


@pytest.mark.parametrize(("size", "radius"), [("large", 1.0), ("small", 0.62)])
def test_depth_and_mask_of_a_sphere_are_exact(size, radius):
    scene = Scene((Solid("sphere", "red", size, "shiny", x=0.2, z=-0.1),), "slate", "sky")
    views = render([scene], SIZE)
    origin, directions, axis = rays(scene.half_width)
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
def test_every_shape_is_seen_in_its_colour(shape):
    reds = []
    for color in ("red", "green", "blue"):
        scene = Scene((Solid(shape, color, "large", "matte", angle=0.4),), "slate", "grey")
        views = render([scene], SIZE)
        mean = views.images[0][:, views.masks[0, 0]].mean(1)
        assert mean.argmax().item() == ("red", "green", "blue").index(color)
        reds.append(views.masks[0, 0].sum().item())
    assert len(set(reds)) == 1 and reds[0] > SIZE * SIZE / 8


def test_a_solid_darkens_the_floor_beside_it():
    with_solid = Scene((Solid("cylinder", "white", "large", "matte"),), "slate", "sky")
    without = Scene((Solid("cylinder", "white", "large", "matte", z=-30.0),), "slate", "sky")
    lit, empty = render([with_solid, without], SIZE).images
    right = slice(int(SIZE * 0.75), int(SIZE * 0.9))
    floor = slice(int(SIZE * 0.6), int(SIZE * 0.8))
    assert lit[:, floor, right].mean() < 0.93 * empty[:, floor, right].mean()


def test_a_batch_equals_its_scenes_one_by_one():
    scenes = sample_scenes(4, seed=9)
    together = render(scenes, SIZE)
    for number, scene in enumerate(scenes):
        alone = render([scene], SIZE)
        assert (together.images[number] - alone.images[0]).abs().max() <= 1e-4
        assert torch.equal(together.masks[number], alone.masks[0])
    assert together.images.min() >= 0 and together.images.max() <= 1
