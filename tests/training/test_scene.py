"""Scenes: reproducible, within the tables, and laid out so that every solid can be seen."""

import math
from itertools import combinations

import pytest

from training.scene import COLORS, MAX_SOLIDS, SHAPES, sample_scenes


def test_equal_seeds_give_equal_scenes():
    assert sample_scenes(20, seed=3) == sample_scenes(20, seed=3)
    assert sample_scenes(20, seed=3) != sample_scenes(20, seed=4)


@pytest.mark.parametrize("count", range(1, MAX_SOLIDS + 1))
def test_solids_stand_apart_inside_the_frame(count):
    for scene in sample_scenes(50, seed=count, count=count):
        assert len(scene.solids) == count
        assert len({solid.color for solid in scene.solids}) == count
        for solid in scene.solids:
            assert abs(solid.x) + solid.radius <= scene.half_width + 0.15
        for one, other in combinations(scene.solids, 2):
            distance = math.hypot(one.x - other.x, one.z - other.z)
            assert distance > one.radius + other.radius


def test_everything_is_drawn_in_the_end():
    solids = [solid for scene in sample_scenes(300, seed=0) for solid in scene.solids]
    assert {solid.color for solid in solids} == set(COLORS)
    assert {solid.shape for solid in solids} == set(SHAPES)


def test_too_many_solids_are_refused():
    with pytest.raises(ValueError, match="1 to 3, got 4"):
        sample_scenes(1, seed=0, count=4)
