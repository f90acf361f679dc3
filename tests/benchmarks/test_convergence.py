from itertools import pairwise
from xml.etree import ElementTree

import pytest

from benchmarks.convergence import calls_a_step, head, row
from benchmarks.convergence_cases import EXACT, JUMPS, NOISY
from benchmarks.convergence_plot import HEIGHT, SPACE, Axis, Line, draw, merged, spread

LINES = [
    Line("slow & steady", 1, (10, 100), (0.1, 0.01)),
    Line("the same", 1, (10, 100), (0.1, 0.01)),
    Line("quick", 2, (10, 100), (0.1, 0.001)),
]


@pytest.mark.parametrize(("label", "calls"), [("Euler", 1), ("Heun", 2), ("DPM++ 2M", 1)])
def test_calls_a_step(label: str, calls: float) -> None:
    assert calls_a_step(EXACT[label]) == calls


@pytest.mark.parametrize("cases", [EXACT, NOISY, JUMPS])
def test_rows_fit_the_head(cases: dict) -> None:
    for label, case in cases.items():
        assert row(label, case, ["1", "2"]).count("|") == head("a", "b").count("|") // 2


def test_lines_on_one_another_are_one() -> None:
    assert [line.name for line in merged(LINES)] == ["slow & steady / the same", "quick"]


def test_an_axis_is_logarithmic() -> None:
    axis = Axis([1.0, 100.0], 0, 200)
    assert [axis.at(value) for value in (1, 10, 100)] == pytest.approx([0, 100, 200])
    assert axis.decades() == pytest.approx([1, 10, 100])


def test_names_stand_apart_and_inside() -> None:
    heights = spread([HEIGHT - 80.0] * 3)
    assert all(b - a >= 0.6 * SPACE for a, b in pairwise(heights))
    assert max(heights) <= HEIGHT


def test_the_plot_is_svg_with_every_name() -> None:
    texts = [element.text for element in ElementTree.fromstring(draw(LINES)).iter()]
    assert {"slow & steady / the same", "quick", "calls of the model"} <= set(texts)
