"""The shipped judge and the shipped model, on a handful."""

from collections import Counter

import pytest
import torch

from benchmarks.quality import KINDS, Tally, draw, grade, prompt, prompts
from engine.pipelines import StableDiffusionPipeline
from training.folders import TABLETOP
from training.judge import JUDGE, Finding, Judge, Seen, right_answers
from training.render import render_all
from training.scene import COLORS, HELD_OUT_PAIRS, SHAPES, Scene, Solid, sample_scenes


@pytest.fixture(scope="module")
def judge():
    return Judge.from_pretrained(JUDGE).float()


def test_judge_is_right_about_unseen_renders(judge):
    tally = right_answers(judge, sample_scenes(60, seed=123_456, held_out=True))
    for name, (right, total) in tally.items():
        assert total >= 60 and right >= 0.95 * total, (name, right, total)


def test_judge_notices_what_is_wrong(judge):
    scenes = sample_scenes(20, seed=7, count=1, held_out=True)
    seen = judge.look(render_all(scenes).images * 2 - 1)
    shuffled = [*scenes[1:], scenes[0]]
    tally = Tally()
    for scene, found in zip(shuffled, seen, strict=True):
        grade("one", scene, found, tally)
    assert all(tally.share(question) < 0.75 for question in tally.answers)
    assert tally.share("one: colour and shape") < 0.3


def test_prompts_ask_for_everything_and_leave_nothing_out():
    asked = prompts(400)
    kinds = Counter(kind for kind, _ in asked)
    assert all(abs(kinds[kind] / 400 - share) < 0.01 for kind, share in KINDS.items())
    one = [scene.solids[0] for kind, scene in asked if kind == "one"]
    assert {solid.color for solid in one} == set(COLORS)
    assert {solid.shape for solid in one} == set(SHAPES)
    pairs = {(solid.color, solid.shape) for solid in one}
    assert not pairs & HELD_OUT_PAIRS
    assert prompts(400) == asked
    for kind, scene in asked:
        text = prompt(scene)
        assert f"{scene.floor} floor, {scene.background} background" in text
        for solid in scene.solids:
            assert f"{solid.size} {solid.finish} {solid.color} {solid.shape[:4]}" in text
        assert ("two" in text or "three" in text) == (kind == "alike")


def test_grades_follow_the_definition():
    red, blue = (
        Solid("cube", "red", "large", "matte", x=-1),
        Solid("cone", "blue", "small", "shiny"),
    )
    scene = Scene((blue, red), "white", "sky")
    assert prompt(scene).startswith("a large matte red cube to the left of a small shiny blue cone")

    def share(kind, solids, question):
        tally = Tally()
        grade(kind, scene, Seen(tuple(solids), "white", "night"), tally)
        assert tally.share("floor") == 1 and tally.share("background") == 0
        return tally.share(question)

    left = Finding("cube", "red", "small", "glass", x=3, y=8)
    right = Finding("cone", "blue", "small", "glass", x=9, y=8)
    both = "two: all colours and shapes"
    assert share("two", (right, left), both) == share("two", (left, right), both) == 1
    assert share("two", (left,), both) == share("two", (left, right, right), both) == 0
    assert share("two", (left, right._replace(color="red")), both) == 0
    sides = "two: and on their sides"
    assert share("two", (left, right), sides) == 1
    assert share("two", (left._replace(x=12), right), sides) == 0


def test_a_handful_of_pictures_shows_what_was_asked(judge):
    asked = [(kind, scene) for kind, scene in prompts(25) if kind == "one"]
    pipeline = StableDiffusionPipeline.from_pretrained(TABLETOP)
    pixels = draw(pipeline, [prompt(scene) for _, scene in asked])
    tally = Tally()
    for (kind, scene), seen in zip(asked, judge.look(pixels), strict=True):
        grade(kind, scene, seen, tally)
    assert tally.share("one: color") >= 0.7 and tally.share("one: shape") >= 0.6
    assert torch.isfinite(pixels).all()
