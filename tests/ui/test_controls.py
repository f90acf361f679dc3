import pytest

from ui.controls import EFFECTS, effect


@pytest.mark.parametrize(
    ("strength", "steps", "words"),
    [
        (1, 25, "Hardly anything of the picture is left. Of 25 steps, 25 are made."),
        (0.5, 3, "Of 3 steps, 1 is made."),
        (0.02, 25, "leaves none of 25 steps: take a strength of 0.04 or more"),
        (0.4, 1, "leaves none of 1 steps"),
        (-1, 25, "strength is -1"),
        (None, 25, ""),
        (0.5, None, ""),
    ],
)
def test_what_a_strength_does_is_said_in_words(
    strength: float | None, steps: int | None, words: str
) -> None:
    told = effect(strength, steps, EFFECTS)
    assert words in told and bool(words) == bool(told)
