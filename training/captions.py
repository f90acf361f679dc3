"""What is said of a scene: many phrasings, attributes left out at random, never anything untrue."""

from collections.abc import Sequence

import torch

from training.scene import BACKGROUNDS, FLOORS, Scene, Solid

__all__ = ["SYNONYMS", "WORDS", "caption", "describe"]

# Words for an attribute beside its own name, which is used most of the time.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "sphere": ("ball", "orb"),
    "cube": ("box", "block"),
    "cylinder": ("drum",),
    "cone": ("pyramid",),
    "large": ("big", "huge"),
    "small": ("little", "tiny"),
    "shiny": ("glossy", "polished"),
    "matte": ("dull",),
    "cyan": ("turquoise",),
    "purple": ("violet",),
    "wooden": ("wood",),
    "checkered": ("chequered",),
    "sandy": ("sand",),
    "grassy": ("grass",),
    "sky": ("light blue",),
    "grey": ("gray",),
}
_OPENINGS = ("", "", "", "a picture of ", "a photo of ", "an image of ", "a still life with ")
_JOINS = (" and ", " and ", " and ", " next to ", " with ", " beside ")
_ON = ("on a {} floor", "on a {} floor", "on a {} table", "{} floor")
_BEFORE = ("{} background", "{} background", "before a {} background", "in front of a {} wall")
_COUNTS = ("one", "two", "three")

# Further words a person may write; the tokenizer keeps each whole.
_OTHER = (
    "the my your some of in at to by from is are it there this that no not very nice pretty "
    "beautiful simple clean realistic render rendered rendering 3d photograph painting drawing "
    "scene object objects solid solids thing shape shapes geometric colorful colour color bright "
    "dark light soft shadow shadows studio lighting high quality best detailed detail sharp 4k 8k "
    "blurry ugly low bad blue orange brown magenta gold silver metal glass plastic stone marble "
    "table floor ground wall top view close up left right behind under over between sits standing "
    "lying placed which made square round evening day morning evening backdrop scenery world"
)


def _words() -> tuple[str, ...]:
    from training.scene import COLORS, FINISHES, SHAPES, SIZES

    own = [*SHAPES, *SIZES, *FINISHES, *COLORS, *FLOORS, *BACKGROUNDS, *_COUNTS, *SYNONYMS]
    phrases = [*_OPENINGS, *_JOINS, *_ON, *_BEFORE, _OTHER]
    phrases += [other for others in SYNONYMS.values() for other in others]
    own += [word for phrase in phrases for word in phrase.replace("{}", " ").split()]
    return tuple(sorted(set(own)))


WORDS = _words()
"""Every word that a caption can hold, and some that prompts are likely to."""


class _Dice:
    """Choices from one generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self._numbers = iter(torch.rand(64, generator=generator).tolist())

    def chance(self, share: float) -> bool:
        return next(self._numbers) < share

    def choice(self, items: Sequence[str]) -> str:
        return items[int(next(self._numbers) * len(items))]

    def name(self, word: str) -> str:
        """A word or, one time in eight, one that means the same."""
        others = SYNONYMS.get(word, ())
        return self.choice(others) if others and self.chance(0.12) else word


def describe(solid: Solid, dice: _Dice) -> str:
    """A noun phrase for a solid; its shape is always said, the rest most of the time."""
    words = [dice.name(solid.size)] if dice.chance(0.6) else []
    words += [dice.name(solid.finish)] if dice.chance(0.5) else []
    words += [dice.name(solid.color)] if dice.chance(0.93) else []
    return " ".join(["a", *words, dice.name(solid.shape)])


def caption(scene: Scene, generator: torch.Generator) -> str:
    """A true description of a scene; all its solids are named, in any order."""
    dice = _Dice(generator)
    solids = [describe(solid, dice) for solid in scene.solids]
    turn = int(torch.randint(len(solids), (), generator=generator))
    solids = solids[turn:] + solids[:turn]
    subject = dice.choice(_OPENINGS) + ", ".join(
        [*solids[:-2], dice.choice(_JOINS).join(solids[-2:])]
    )
    floor = dice.choice(_ON).format(dice.name(scene.floor)) if dice.chance(0.72) else ""
    wall = dice.choice(_BEFORE).format(dice.name(scene.background)) if dice.chance(0.72) else ""
    if dice.chance(0.12):
        clauses = [wall, floor, subject] if dice.chance(0.5) else [subject, wall, floor]
        return ", ".join(filter(None, clauses))
    separator = " " if floor.startswith("on") else ", "
    subject = separator.join(filter(None, (subject, floor)))
    separator = " " if wall.startswith(("before", "in")) else ", "
    return separator.join(filter(None, (subject, wall)))
