"""What is said of a scene: many phrasings, attributes left out at random, never anything untrue."""

import re
import string
from collections.abc import Sequence

import torch

from training.scene import (
    BACKGROUNDS,
    COLORS,
    FINISHES,
    FLOORS,
    SHAPES,
    SIZES,
    Scene,
    Solid,
)

__all__ = ["SYNONYMS", "WORDS", "Dice", "caption", "describe", "other_sides", "plural"]

# Words for an attribute beside its own name, which is used most of the time.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "sphere": ("ball", "orb", "globe"),
    "cube": ("box", "block"),
    "cylinder": ("drum", "can"),
    "torus": ("ring", "donut", "doughnut"),
    "large": ("big", "huge"),
    "small": ("little", "tiny"),
    "shiny": ("glossy", "polished"),
    "matte": ("dull",),
    "metal": ("metallic", "chrome"),
    "glass": ("transparent", "crystal"),
    "cyan": ("turquoise",),
    "purple": ("violet",),
    "wooden": ("wood",),
    "checkered": ("chequered", "tiled"),
    "sandy": ("sand",),
    "cloth": ("tablecloth", "fabric"),
    "grey": ("gray",),
    "sky": ("light blue",),
    "night": ("dark blue",),
}
_OPENINGS = (
    *("", "", "", "", "a picture of ", "a photo of ", "an image of ", "a render of "),
    *("a still life with ", "there is ", "i see "),
)
_PAIRS = (" and ", " and ", " and ", " next to ", " with ", " beside ")
_LEFT = (" to the left of ", " left of ", " on the left of ")
_RIGHT = (" to the right of ", " right of ", " on the right of ")
_BEHIND, _BEFORE = (" behind ", " in the back of "), (" in front of ", " before ")
_ABOVE, _BELOW = (" on top of ", " on ", " standing on ", " above "), (" under ", " below ")
_ON = ("on a {} floor", "on a {} floor", "on a {} table", "on a {} surface", "{} floor")
_WALLS = (
    *("{} background", "{} background", "before a {} background", "with a {} background"),
    *("in front of a {} wall", "against a {} wall"),
)
_COUNTS = ("one", "two", "three")
_ASIDE = (
    *("nice", "beautiful", "simple", "realistic", "3d", "high quality", "detailed", "sharp"),
    *("soft light", "studio lighting", "soft shadows", "4k", "8k", "best quality", "masterpiece"),
)

# Further words a person may write; the tokenizer keeps each whole.
_OTHER = (
    "the my your some of in at to by from is are it this that no not very nice pretty please draw "
    "beautiful simple clean realistic render rendered rendering 3d photograph painting drawing "
    "scene object objects solid solids thing things shape shapes geometric colorful colour color "
    "bright dark light soft shadow shadows studio lighting high quality best detailed detail sharp "
    "4k 8k masterpiece blurry ugly low bad brown magenta gold golden silver plastic stone "
    "table floor ground wall top view close up left right over between sits sitting stands "
    "standing lying placed which made square round evening day morning backdrop world "
    "both each other all same side stacked tower middle center centre"
)


def plural(word: str) -> str:
    """The plural of a shape's name."""
    return {"torus": "toruses", "box": "boxes"}.get(word, f"{word}s")


def _words() -> tuple[str, ...]:
    own = [*SHAPES, *SIZES, *FINISHES, *COLORS, *FLOORS, *BACKGROUNDS, *_COUNTS, *SYNONYMS]
    own += [plural(name) for shape in SHAPES for name in (shape, *SYNONYMS.get(shape, ()))]
    phrases = [*_OPENINGS, *_PAIRS, *_LEFT, *_RIGHT, *_BEHIND, *_BEFORE, *_ABOVE, *_BELOW]
    phrases += [*_ON, *_WALLS, *_ASIDE, _OTHER, "an"]
    phrases += [other for others in SYNONYMS.values() for other in others]
    own += [word for phrase in phrases for word in phrase.replace("{}", " ").split()]
    return tuple(sorted(set(own)))


WORDS = _words()
"""Every word that a caption can hold, and some that prompts are likely to."""


class Dice:
    """Choices from one generator, drawn in one go."""

    def __init__(self, generator: torch.Generator) -> None:
        self._numbers = iter(torch.rand(128, generator=generator).tolist())

    def chance(self, share: float) -> bool:
        return next(self._numbers) < share

    def choice(self, items: Sequence[str]) -> str:
        return items[int(next(self._numbers) * len(items))]

    def name(self, word: str) -> str:
        """A word or, one time in seven, one that means the same."""
        others = SYNONYMS.get(word, ())
        return self.choice(others) if others and self.chance(0.14) else word


def _qualities(solid: Solid, dice: Dice) -> list[str]:
    """Adjectives of a solid, each left out at times, mostly in the usual order."""
    words = [dice.name(solid.size)] if dice.chance(0.6) else []
    words += [dice.name(solid.finish)] if dice.chance(0.6) else []
    words += [dice.name(solid.color)] if dice.chance(0.94) else []
    if len(words) > 1 and dice.chance(0.25):
        words.reverse()
    return words


def _article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def describe(solid: Solid, dice: Dice) -> str:
    """A noun phrase for a solid; its shape is always said, the rest most of the time."""
    words = _qualities(solid, dice)
    shape = dice.name(solid.shape)
    if words and dice.chance(0.06):
        return f"{_article(shape)} that is {' and '.join(words)}"
    return _article(" ".join([*words, shape]))


def _several(solids: Sequence[Solid], dice: Dice) -> str:
    """A phrase for solids that are all of one kind."""
    count = _COUNTS[len(solids) - 1]
    return " ".join([count, *_qualities(solids[0], dice), plural(dice.name(solids[0].shape))])


def _relation(one: Solid, other: Solid, dice: Dice) -> str:
    """Words between two solids that say how the first stands to the second, where that is clear."""
    if one.y != other.y:
        return dice.choice(_ABOVE if one.y > other.y else _BELOW)
    aside, away = one.x - other.x, one.z - other.z
    if abs(away) > 1.0 and dice.chance(0.5):
        return dice.choice(_BEHIND if away > 0 else _BEFORE)
    if abs(aside) > 1.5 * abs(away) or abs(aside) > 1.2:
        return dice.choice(_LEFT if aside < 0 else _RIGHT)
    return dice.choice(_PAIRS)


def _apart(solids: Sequence[Solid], dice: Dice) -> str:
    """Solids one after the other: joined by how they stand to each other, or by plain words."""
    phrases = [describe(solid, dice) for solid in solids]
    if len(solids) == 1:
        return phrases[0]
    stacked = solids[-2].y != solids[-1].y
    if stacked or dice.chance(0.4):
        last = _relation(solids[-2], solids[-1], dice)
    else:
        last = dice.choice(_PAIRS)
    if len(solids) == 3 and last.strip() not in ("and", "with"):
        return f"{phrases[0]}, {phrases[1]}{last}{phrases[2]}"
    return ", ".join([*phrases[:-2], last.join(phrases[-2:])])


def _subject(scene: Scene, dice: Dice) -> str:
    solids = list(scene.solids)
    kinds = {(solid.shape, solid.color, solid.size, solid.finish) for solid in solids}
    if len(solids) > 1 and len(kinds) == 1:
        return _several(solids, dice)
    if scene.is_stack:
        # the two that stand on each other stay together, at the end
        solids = [*solids[2:], *(solids[:2] if dice.chance(0.2) else solids[1::-1])]
    else:
        turn = int(dice.choice("012")) % len(solids)
        solids = solids[turn:] + solids[:turn]
    return _apart(solids, dice)


def _noise(text: str, dice: Dice, generator: torch.Generator) -> str:
    """Words that say nothing of the scene, known or not, before or behind."""
    if dice.chance(0.5):
        aside = dice.choice(_ASIDE)
    else:
        length = 3 + int(torch.randint(6, (), generator=generator))
        letters = torch.randint(26, (length,), generator=generator).tolist()
        aside = "".join(string.ascii_lowercase[letter] for letter in letters)
    return f"{aside}, {text}" if dice.chance(0.3) else f"{text}, {aside}"


def caption(scene: Scene, generator: torch.Generator) -> str:
    """A true description of a scene; all its solids are named, in any order."""
    dice = Dice(generator)
    subject = dice.choice(_OPENINGS) + _subject(scene, dice)
    floor = dice.choice(_ON).format(dice.name(scene.floor)) if dice.chance(0.75) else ""
    wall = dice.choice(_WALLS).format(dice.name(scene.background)) if dice.chance(0.75) else ""
    if dice.chance(0.12):
        clauses = [wall, floor, subject] if dice.chance(0.5) else [subject, wall, floor]
        text = ", ".join(filter(None, clauses))
    else:
        text = subject
        for clause, joined in ((floor, ("on",)), (wall, ("before", "with", "in", "against"))):
            if clause:
                text += (" " if clause.startswith(joined) else ", ") + clause
    return _noise(text, dice, generator) if dice.chance(0.1) else text


def other_sides(text: str) -> str:
    """A caption with left and right exchanged, as its mirrored picture needs it."""
    sides = {"left": "right", "right": "left"}
    return re.sub(r"\b(left|right)\b", lambda side: sides[side[0]], text)
