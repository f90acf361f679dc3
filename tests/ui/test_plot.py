import json
import math
import re
from itertools import pairwise

import pytest

from ui.plot import lines


def values(figure: str) -> dict[str, list[float | None]]:
    """What the lines of a figure show, by name."""
    found = re.findall(r'data-name="([^"]*)" data-values="([^"]*)"', figure)
    return {name: json.loads(text) for name, text in found}


def points(figure: str, line: int = 1) -> list[tuple[float, float]]:
    """Where a line is drawn, in hundredths of the chart from its top left corner."""
    (text,) = re.findall(rf'class="line-{line}" data-name[^>]* points="([^"]*)"', figure)
    pairs = [pair.split() for pair in text.split(", ") if pair]
    return [(float(x), float(y)) for x, y in pairs]


def ticks(figure: str, axis: str) -> list[str]:
    return re.findall(rf'<span class="{axis}"[^>]*>([^<]*)<', figure)


def test_a_line_goes_where_its_values_say() -> None:
    figure = lines({"Timestep": [1000, 500, 0]}, "Timestep", "Steps done")
    assert values(figure) == {"Timestep": [1000, 500, 0]}
    assert points(figure) == [(0, 0), (50, 50), (100, 100)]
    assert ticks(figure, "x") == ["0", "1", "2"]
    assert ticks(figure, "y") == ["0", "250", "500", "750", "1000"]


def test_a_logarithmic_line_is_straight_and_drops_to_a_floor_marked_0() -> None:
    figure = lines({"Sigma": [10, 1, 0.1, 0]}, "Sigma", "Steps done", log=True)
    (_, a), (_, b), (_, c), (_, floor) = points(figure)
    assert b - a == pytest.approx(c - b, abs=0.02)
    assert floor == 100
    assert ticks(figure, "y") == ["0.1", "1", "10", "0"]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "y", [[], [0.0], [1.0], [3.0] * 9, [-1.0, 1.0], [1e-9, 1e9], [math.nan, 1.0], [math.inf] * 2]
)
def test_any_values_stay_inside(y: list[float], log: bool) -> None:
    figure = lines({"a": y}, "A", "Step", log=log)
    drawn = points(figure)
    assert len(drawn) == sum(map(math.isfinite, y))
    assert all(0 <= place <= 100 for pair in drawn for place in pair)
    assert log or 2 <= len(ticks(figure, "y")) <= 6
    assert "nan" not in figure


@pytest.mark.parametrize("last", [1, 2, 7, 25, 26, 99, 200, 1000])
def test_numbers_under_the_axis_stand_clear_of_one_another(last: int) -> None:
    shown = [int(text) for text in ticks(lines({"a": range(last)}, "A", "Step", first=1), "x")]
    assert (shown[0], shown[-1]) == (1, last)
    assert len(shown) <= 7
    assert all(b - a >= (last - 1) / 10 for a, b in pairwise(shown))


def test_it_is_told_in_words() -> None:
    series = {"x": [4.0, 2.0, 1.0], "eps": [1.0, math.nan, 1.0]}
    figure = lines(series, "Norms", "Step", first=1, marks={2: "Euler to Heun", 9: "too late"})
    (said,) = re.findall(r'role="img" aria-label="([^"]*)"', figure)
    assert "x: 3 values, first 4, last 1, from 1 to 4." in said
    assert "1 are not finite." in said
    assert "At 2: Euler to Heun." in said
    assert figure.count('class="mark"') == 1


def test_lines_differ_in_more_than_colour() -> None:
    figure = lines({"x": [1], "eps": [2]}, "Norms", "Step")
    legend = re.findall(r'class="(line-\d)" d="[^"]*"/></svg>(\w+)', figure)
    assert legend == [("line-1", "x"), ("line-2", "eps")]


def test_nothing_in_it_is_html() -> None:
    evil = "<img src=x>\"'"
    figure = lines({evil: [1, 2]}, evil, evil, marks={1: evil})
    assert "<img" not in figure
