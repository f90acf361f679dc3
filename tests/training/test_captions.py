"""Captions are true: every word that names a thing names one of the scene."""

import re

import torch

from training.captions import SYNONYMS, caption
from training.scene import BACKGROUNDS, COLORS, FINISHES, FLOORS, SHAPES, SIZES, sample_scenes

MEANING = {other: word for word, others in SYNONYMS.items() for other in others}
ATTRIBUTES = {"shape": SHAPES, "size": tuple(SIZES), "finish": FINISHES, "color": COLORS}


def plain(text: str) -> str:
    """The caption with the tables' own words in place of others that mean the same."""
    for other, word in MEANING.items():
        text = re.sub(rf"\b{other}\b", word, text)
    return text


def test_captions_name_every_solid_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    for scene in sample_scenes(400, seed=1):
        text = plain(caption(scene, generator))
        words = re.findall(r"\w+", text)
        assert [word for word in words if word in FLOORS] in ([], [scene.floor])
        assert [word for word in words if word in BACKGROUNDS] in ([], [scene.background])
        phrases = re.findall(rf"a ((?:\w+ )*?(?:{'|'.join(SHAPES)}))\b", text)
        claims = [
            set(phrase.split()) & {w for ws in ATTRIBUTES.values() for w in ws}
            for phrase in phrases
        ]
        assert len(claims) == len(scene.solids), text
        left = list(scene.solids)
        # those that say most choose first: a short one is true of what remains
        for claim in sorted(claims, key=len, reverse=True):
            true = [
                solid
                for solid in left
                if claim <= {solid.shape, solid.size, solid.finish, solid.color}
            ]
            assert true, f"{claim} in {text!r} is not true of {left}"
            left.remove(true[0])


def test_the_same_scene_is_told_in_many_ways():
    generator = torch.Generator().manual_seed(0)
    (scene,) = sample_scenes(1, seed=2, count=2)
    assert len({caption(scene, generator) for _ in range(50)}) > 40
