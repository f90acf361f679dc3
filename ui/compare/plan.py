"""What is compared: a request, and one or two of its fields with the values that they take."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from engine.errors import RequestError
from engine.pipelines.request import Request
from ui.compare.axes import AXES, MAX_CELLS, Value, parse_names, parse_numbers
from ui.request import request_from

__all__ = ["Line", "Plan"]


@dataclass(frozen=True)
class Line:
    """One direction of a grid: a key of `AXES` and the values of that field."""

    field: str
    values: tuple[Value, ...]

    @property
    def labels(self) -> list[str]:
        """What is written along the grid."""
        return [AXES[self.field].label(value) for value in self.values]

    @classmethod
    def of(cls, field: str, names: object, numbers: object) -> Self:
        """The line of a field, from what was chosen or written for it. Raises RequestError."""
        if field not in AXES:
            raise RequestError(f"There is no axis {field!r}: choose one of {', '.join(AXES)}.")
        if AXES[field].numbers:
            return cls(field, parse_numbers(field, numbers))
        return cls(field, parse_names(field, names))


@dataclass(frozen=True)
class Plan:
    """A grid to be drawn. lines: across, and down if there are two. base: what all cells have
    in common; its other fields mean nothing."""

    base: Request
    lines: tuple[Line, ...]

    @property
    def columns(self) -> list[str]:
        """Labels of the columns."""
        return self.lines[0].labels

    @property
    def rows(self) -> list[str]:
        """Labels of the rows; one that is empty when only one field varies."""
        return self.lines[1].labels if len(self.lines) > 1 else [""]

    @cached_property
    def requests(self) -> list[Request]:
        """One for each cell, row by row."""
        grids: list[dict[str, Any]] = [{}]
        for line in reversed(self.lines):
            grids = [{**cell, line.field: value} for cell in grids for value in line.values]
        return [replace(self.base, **cell) for cell in grids]

    def label(self, index: int) -> str:
        """What sets cell `index` apart, as in `10 steps, Euler`."""
        row, column = divmod(index, len(self.columns))
        return ", ".join(filter(None, (self.columns[column], self.rows[row])))

    @property
    def fixed(self) -> list[str]:
        """Labels of what could vary and does not."""
        varied = {line.field for line in self.lines}
        return [
            axis.label(getattr(self.base, field))
            for field, axis in AXES.items()
            if field not in varied
        ]

    @classmethod
    def of(cls, lines: tuple[Line, ...], **values: Any) -> Self:
        """A plan of values as `request_from` takes them. Raises RequestError."""
        if len({line.field for line in lines}) < len(lines):
            title = AXES[lines[0].field].title
            raise RequestError(f"Both axes are {title}: choose another for one, or none down.")
        sides = [len(line.values) for line in lines]
        cells = sides[0] * sides[-1] if len(sides) > 1 else sides[0]
        if cells > MAX_CELLS:
            raise RequestError(
                f"{' × '.join(map(str, sides))} are {cells} cells, and a grid holds {MAX_CELLS}: "
                "take some values out."
            )
        varied = {line.field for line in lines}
        common = {name: value for name, value in values.items() if name not in varied}
        return cls(request_from(task="text-to-image", **common), lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan, fit for JSON."""
        return {
            "base": self.base.to_dict(),
            "lines": [{"field": line.field, "values": list(line.values)} for line in self.lines],
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """The plan of a `to_dict`, which may be of another version or made up.

        Raises LookupError, TypeError or ValueError for what is none.
        """
        lines = tuple(Line(str(line["field"]), tuple(line["values"])) for line in kept["lines"])
        plan = cls(Request.from_dict(kept["base"]).check(), lines)
        if len(lines) > 2 or not 1 <= len(plan.rows) * len(plan.columns) <= MAX_CELLS:
            raise ValueError("the lines make no grid")
        if not all(isinstance(value, str | int | float) for line in lines for value in line.values):
            raise TypeError("a value is neither a text nor a number")
        return plan
