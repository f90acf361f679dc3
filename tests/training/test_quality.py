"""The shipped judge and the shipped model, on a handful."""

import pytest

from benchmarks.quality import judge_model, prompts
from training.export import TABLETOP
from training.judge import JUDGE, Judge, labels, score
from training.render import render
from training.scene import COLORS, SHAPES, sample_scenes


@pytest.fixture(scope="module")
def judge():
    return Judge.from_pretrained(JUDGE)


def test_judge_is_right_about_unseen_renders(judge):
    scenes = sample_scenes(60, seed=123_456, count=1)
    found = score(judge, render(scenes).images * 2 - 1, labels(scenes))
    assert found.color >= 59 and found.shape >= 59


def test_judge_notices_what_is_wrong(judge):
    scenes = sample_scenes(20, seed=7, count=1)
    other = (labels(scenes) + 1) % 4
    found = score(judge, render(scenes).images * 2 - 1, other)
    assert found.color <= 2 and found.shape <= 2


def test_prompts_ask_for_every_colour_and_shape_evenly():
    asked = prompts(200)
    pairs = [(scene.solids[0].color, scene.solids[0].shape) for _, scene in asked]
    assert len(set(pairs)) == len(COLORS) * len(SHAPES)
    assert max(map(pairs.count, pairs)) - min(map(pairs.count, pairs)) <= 1
    assert all(
        color in text and shape in text
        for (text, _), (color, shape) in zip(asked, pairs, strict=True)
    )


def test_a_handful_of_pictures_shows_what_was_asked(judge):
    found = judge_model(TABLETOP, judge, 8)
    assert found.color >= 6 and found.shape >= 6
