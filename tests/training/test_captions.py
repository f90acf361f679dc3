"""Captions are true: every word that names a thing names one of the scene."""

import re

import pytest
import torch

from training.captions import SYNONYMS, caption, plural
from training.scene import (
    COLORS,
    FINISHES,
    SHAPES,
    SIZES,
    Scene,
    Solid,
    mirrored,
    sample_scenes,
)

MEANING = {other: word for word, others in SYNONYMS.items() for other in others}
MEANING |= {plural(name): word for word in SHAPES for name in (word, *SYNONYMS.get(word, ()))}
ATTRIBUTES = {w for names in (SHAPES, tuple(SIZES), FINISHES, COLORS) for w in names}
SIDES = {"left": -1, "right": 1}


def plain(text: str) -> str:
    """The caption with the tables' own words in place of others that mean the same."""
    for other, word in MEANING.items():
        text = re.sub(rf"\b{other}\b", word, text)
    return text


def around(text: str) -> tuple[str, list[str], list[str]]:
    """What is left of a caption without floor and wall, and the names of those."""
    floors = re.findall(r"(?:on an? )?(\w+) (?:floor|table|surface)", text)
    walls = re.findall(r"(\w+) (?:background|wall)", text)
    text = re.sub(r"(on a )?\w+ (floor|table|surface)", "", text)
    return (
        re.sub(r"((before|with|in front of|against) a )?\w+ (background|wall)", "", text),
        (floors),
        walls,
    )


def claims(text: str) -> list[set[str]]:
    """The attributes that each noun phrase states."""
    shapes, words = "|".join(SHAPES), "|".join(ATTRIBUTES)
    after = rf"(?: that is (?:{words})(?: and (?:{words}))*)?"
    phrases = re.findall(rf"(?:an?|two|three) ((?:\w+ )*?(?:{shapes}){after})", text)
    return [set(phrase.split()) & ATTRIBUTES for phrase in phrases]


def true_of(claim: set[str], solid: Solid) -> bool:
    return claim <= {solid.shape, solid.size, solid.finish, solid.color}


def test_captions_name_every_solid_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    for scene in sample_scenes(400, seed=1):
        text, floors, walls = around(plain(caption(scene, generator)))
        assert floors in ([], [scene.floor]) and walls in ([], [scene.background]), text
        found = claims(text)
        if re.search(r"\b(two|three)\b", text):
            assert f" {('two', 'three')[len(scene.solids) - 2]} " in f" {text}"
            assert len(found) == 1 and all(true_of(found[0], solid) for solid in scene.solids)
            continue
        assert len(found) == len(scene.solids), text
        left = list(scene.solids)
        # those that say most choose first: a short one is true of what remains
        for claim in sorted(found, key=len, reverse=True):
            matching = [solid for solid in left if true_of(claim, solid)]
            assert matching, f"{claim} in {text!r} is not true of {left}"
            left.remove(matching[0])


@pytest.mark.parametrize("turned", [False, True])
def test_sides_are_told_as_they_are(turned):
    left = Solid("cube", "red", "large", "matte", x=-1.5)
    right = Solid("sphere", "blue", "large", "matte", x=1.5)
    scene = Scene((left, right), "white", "sky")
    generator = torch.Generator().manual_seed(0)
    told = 0
    for _ in range(200):
        text = around(plain(caption(mirrored(scene) if turned else scene, generator)))[0]
        side = re.search(rf"({'|'.join(SHAPES)}).* (left|right) of .*({'|'.join(SHAPES)})", text)
        if side:
            told += 1
            cube_first = side[1] == "cube"
            assert (side[2] == "left") == (cube_first != turned), text
    assert told > 20


def test_what_stands_on_what_is_told_as_it_is():
    foot = Solid("cube", "red", "large", "matte")
    top = Solid("cone", "blue", "small", "matte", y=foot.height)
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        text = around(plain(caption(Scene((foot, top), "white", "sky"), generator)))[0]
        above = re.search(r"cone.* (on|above) .*cube|cube.* (under|below) .*cone", text)
        assert above, text


def test_the_same_scene_is_told_in_many_ways():
    generator = torch.Generator().manual_seed(0)
    (scene,) = sample_scenes(1, seed=2, count=2)
    assert len({caption(scene, generator) for _ in range(50)}) > 40
