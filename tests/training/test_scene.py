"""Scenes: reproducible, within the tables, and laid out so that every solid can be seen."""

import math
from itertools import combinations

import pytest
import torch

from training.scene import (
    BACKGROUNDS,
    COLORS,
    FINISHES,
    FLOORS,
    HELD_OUT_PAIRS,
    LAYOUTS,
    MAX_SOLIDS,
    SHAPES,
    mirrored,
    sample_scene,
    sample_scenes,
)


def test_equal_seeds_give_equal_scenes():
    assert sample_scenes(20, seed=3) == sample_scenes(20, seed=3)
    assert sample_scenes(20, seed=3) != sample_scenes(20, seed=4)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", range(1, MAX_SOLIDS + 1))
def test_solids_stand_apart_inside_the_frame(count, layout):
    generator = torch.Generator().manual_seed(count)
    for _ in range(30):
        scene = sample_scene(generator, count, layout)
        assert len(scene.solids) == count
        alike = len({(s.shape, s.color, s.size, s.finish) for s in scene.solids}) == 1
        assert alike == (count == 1 or layout == "alike")
        assert alike or len({solid.color for solid in scene.solids}) == count
        assert scene.is_stack == (count > 1 and layout == "stack")
        standing = [solid for solid in scene.solids if solid.y == 0]
        for solid in standing:
            assert abs(solid.x) + solid.radius <= scene.half_width * 1.05 + 0.15
        for one, other in combinations(standing, 2):
            distance = math.hypot(one.x - other.x, one.z - other.z)
            assert distance > one.radius + other.radius


def test_a_stack_stands_on_something_flat_and_wide():
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        foot, top, *_ = sample_scene(generator, 2, "stack").solids
        assert foot.shape in ("cube", "cylinder") and top.y == pytest.approx(foot.height)
        assert (foot.size, top.size) == ("large", "small")
        assert (foot.x, foot.z) == (top.x, top.z)


def test_everything_is_drawn_in_the_end():
    scenes = sample_scenes(300, seed=0)
    solids = [solid for scene in scenes for solid in scene.solids]
    assert {solid.color for solid in solids} == set(COLORS)
    assert {solid.shape for solid in solids} == set(SHAPES)
    assert {solid.finish for solid in solids} == set(FINISHES)
    assert {scene.floor for scene in scenes} == set(FLOORS)
    assert {scene.background for scene in scenes} == set(BACKGROUNDS)


def test_pairs_that_are_held_out_come_only_where_asked_for():
    def pairs(held_out):
        scenes = sample_scenes(400, seed=1, held_out=held_out)
        return {(solid.color, solid.shape) for scene in scenes for solid in scene.solids}

    assert not pairs(False) & HELD_OUT_PAIRS
    assert pairs(True) >= HELD_OUT_PAIRS
    assert {color for color, _ in HELD_OUT_PAIRS} <= {color for color, _ in pairs(False)}


def test_a_mirrored_scene_is_the_other_way_round():
    (scene,) = sample_scenes(1, seed=4, count=3)
    assert [solid.x for solid in mirrored(scene).solids] == [-solid.x for solid in scene.solids]
    assert mirrored(mirrored(scene)) == scene


def test_wrong_names_and_numbers_are_refused():
    with pytest.raises(ValueError, match="1 to 3, got 4"):
        sample_scenes(1, seed=0, count=4)
    with pytest.raises(ValueError, match="apart, alike, stack, got 'ring'"):
        sample_scene(torch.Generator(), 2, "ring")
