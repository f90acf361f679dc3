"""What a grid may vary, and the values that a person wrote for it."""

import re
from dataclasses import dataclass
from decimal import Decimal

from engine.errors import RequestError
from engine.pipelines.limits import LIMITS, is_whole

__all__ = ["AXES", "MAX_CELLS", "Axis", "Value", "parse_names", "parse_numbers"]

Value = str | int | float

MAX_CELLS = 36
"""Of one grid: 64 runs of one person may wait, and there may be others of theirs."""


@dataclass(frozen=True)
class Axis:
    """A field of a Request that a grid may vary.

    title: as the page calls it. pattern: of a value's label, with {} for it. names: those to begin
    with, for a field that is chosen by name; numbers: a text to begin with, for one that is
    written. unset: what an empty name means.
    """

    title: str
    pattern: str = "{}"
    names: tuple[str, ...] = ()
    numbers: str = ""
    unset: str = ""

    def label(self, value: Value) -> str:
        """What is written along the grid."""
        return self.pattern.format(value if value != "" else self.unset)


AXES: dict[str, Axis] = {
    "scheduler": Axis("Sampler", names=("Euler", "DPM++ 2M", "UniPC"), unset="Model's own sampler"),
    "schedule_type": Axis("Schedule type", names=("", "Karras", "Exponential"), unset="Automatic"),
    "steps": Axis("Steps", "{} steps", numbers="4, 8, 16"),
    "guidance_scale": Axis("Guidance", "guidance {:g}", numbers="2, 5, 8"),
    "seed": Axis("Seed", "seed {}", numbers="1-3"),
}
"""Field of a Request -> its axis."""

NUMBER = r"(\d{1,12}(?:\.\d{1,6})?)"
PART = re.compile(rf"\s*{NUMBER}(?:\s*-\s*{NUMBER}(?:\s*:\s*{NUMBER})?)?\s*")
HOW = "Write numbers, such as 10, 20, 30, or a range and its step, such as 10-50:10."


def parse_names(field: str, names: object) -> tuple[str, ...]:
    """The names chosen, each once. Raises RequestError when there is none."""
    chosen = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    if not chosen:
        raise RequestError(f"{AXES[field].title} has no values: choose one or more.")
    return tuple(dict.fromkeys(chosen))


def parse_numbers(field: str, text: object) -> tuple[int | float, ...]:
    """The numbers of a text such as `10, 20` or `10-50:10`, each once, in the order written.

    Raises RequestError that names the axis, the part that is wrong and what is allowed.
    """
    title = AXES[field].title
    if not isinstance(text, str) or not text.strip():
        raise RequestError(f"{title} has no values. {HOW}")
    numbers: dict[Decimal, None] = {}
    for part in text.split(","):
        for number in _expand(title, part):
            _check(field, number)
            numbers[number] = None
        if len(numbers) > MAX_CELLS:
            raise RequestError(f"{title} has more than {MAX_CELLS} values: take some out.")
    return tuple(int(number) if is_whole(field) else float(number) for number in numbers)


def _expand(title: str, part: str) -> list[Decimal]:
    """The numbers of one part between commas; no more than show that there are too many."""
    found = PART.fullmatch(part)
    if not found:
        raise RequestError(f"{title} has {part.strip()[:40]!r}, which is no number. {HOW}")
    low, high, step = (Decimal(text) if text else None for text in found.groups())
    assert low is not None, "the first group of the pattern is not optional"
    if high is None:
        return [low]
    step = Decimal(1) if step is None else step
    if step <= 0 or high < low:
        raise RequestError(
            f"{title} has {part.strip()!r}: a range goes from the smaller number to the larger, "
            "with a step above 0."
        )
    return [low + index * step for index in range(min(int((high - low) / step), MAX_CELLS) + 1)]


def _check(field: str, number: Decimal) -> None:
    title, (low, high) = AXES[field].title, LIMITS[field]
    if not low <= number <= high:
        raise RequestError(f"{title} has {number}: it must be from {low} to {high}.")
    if is_whole(field) and number != int(number):
        raise RequestError(f"{title} has {number}: a whole number is needed.")
