from dataclasses import asdict
from typing import Any

import pytest

from engine.errors import RequestError
from ui.compare.axes import AXES, parse_names, parse_numbers
from ui.compare.plan import Line, Plan

VALUES = {"model": "m", "prompt": "a", "steps": 9, "guidance_scale": 3, "seed": 5}
STEPS = Line("steps", (4, 8))
SAMPLERS = Line("scheduler", ("Euler", "DDIM", ""))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("10, 20, 30", (10, 20, 30)),
        ("7", (7,)),
        ("10-50:10", (10, 20, 30, 40, 50)),
        ("1 - 3", (1, 2, 3)),
        ("10-25:10", (10, 20)),
        ("30, 10-30:10", (30, 10, 20)),
        ("5-5:2", (5,)),
        ("1-36", tuple(range(1, 37))),
        ("20.0", (20,)),
    ],
)
def test_numbers_are_listed_or_ranged(text: str, numbers: tuple[int, ...]) -> None:
    found = parse_numbers("steps", text)
    assert found == numbers
    assert all(isinstance(number, int) for number in found)


def test_guidance_has_fractions_without_rounding() -> None:
    assert parse_numbers("guidance_scale", "1.5, 0.1-0.5:0.1") == (1.5, 0.1, 0.2, 0.3, 0.4, 0.5)


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("steps", "", ["Steps has no values", "10-50:10"]),
        ("steps", None, ["Steps has no values"]),
        ("steps", "10, x", ["Steps has 'x'", "10-50:10"]),
        ("steps", "10,,20", ["Steps has ''"]),
        ("steps", "10 20", ["Steps has '10 20'"]),
        ("steps", "-5", ["Steps has '-5'"]),
        ("steps", "nan", ["Steps has 'nan'"]),
        ("steps", "1e3", ["Steps has '1e3'"]),
        ("steps", "0", ["Steps has 0", "from 1 to 1000"]),
        ("steps", "2.5", ["Steps has 2.5", "whole"]),
        ("steps", "50-10", ["'50-10'", "smaller number to the larger"]),
        ("steps", "10-50:0", ["'10-50:0'", "above 0"]),
        ("steps", "1-37", ["Steps has more than 36 values"]),
        ("seed", "0-999999999999:0.000001", ["Seed has 0.000001", "whole"]),
        ("seed", "0-999999999", ["Seed has more than 36 values"]),
        ("seed", "9999999999", ["Seed has 9999999999", "4294967295"]),
        ("guidance_scale", "50.5", ["Guidance has 50.5", "from 0 to 50"]),
    ],
)
def test_a_wrong_number_is_named(field: str, text: Any, words: list[str]) -> None:
    with pytest.raises(RequestError) as error:
        parse_numbers(field, text)
    assert all(word in str(error.value) for word in words), error.value


def test_names_are_chosen_once_each() -> None:
    assert parse_names("scheduler", ["Euler", "", "Euler"]) == ("Euler", "")
    for nothing in ([], None, "Euler", [3]):
        with pytest.raises(RequestError, match="Sampler has no values"):
            parse_names("scheduler", nothing)


@pytest.mark.parametrize("field", AXES)
def test_every_axis_begins_with_values_that_it_takes(field: str) -> None:
    axis = AXES[field]
    line = Line.of(field, list(axis.names), axis.numbers)
    assert len(set(line.labels)) == len(line.labels) == 3
    assert all(line.labels)


def test_cells_come_row_by_row() -> None:
    plan = Plan.of((SAMPLERS, STEPS), **VALUES)
    assert [(request.steps, request.scheduler) for request in plan.requests] == [
        *((4, "Euler"), (4, "DDIM"), (4, "")),
        *((8, "Euler"), (8, "DDIM"), (8, "")),
    ]
    assert {(request.seed, request.guidance_scale) for request in plan.requests} == {(5, 3)}
    assert plan.columns == ["Euler", "DDIM", "Model's own sampler"]
    assert plan.rows == ["4 steps", "8 steps"]
    assert plan.label(5) == "Model's own sampler, 8 steps"
    assert plan.fixed == ["Automatic", "guidance 3", "seed 5"]


def test_one_axis_makes_a_row() -> None:
    plan = Plan.of((STEPS,), **VALUES)
    assert (plan.rows, plan.columns, plan.label(1)) == ([""], ["4 steps", "8 steps"], "8 steps")
    assert [request.steps for request in plan.requests] == [4, 8]


def test_what_an_axis_varies_need_not_be_right_elsewhere() -> None:
    plan = Plan.of((STEPS,), **VALUES | {"steps": None})
    assert [request.steps for request in plan.requests] == [4, 8]


@pytest.mark.parametrize(
    ("lines", "changes", "words"),
    [
        ((STEPS, STEPS), {}, "Both axes are Steps"),
        ((Line("seed", (*range(10),)), Line("steps", (1, 2, 3, 4))), {}, "10 × 4 are 40 cells"),
        ((STEPS,), {"prompt": " "}, "prompt is empty"),
        ((STEPS,), {"guidance_scale": 99}, "guidance_scale is 99"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(
    lines: tuple[Line, ...], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        Plan.of(lines, **VALUES | changes)


def test_a_plan_comes_back_from_the_browser() -> None:
    plan = Plan.of((SAMPLERS, STEPS), **VALUES)
    again = Plan.from_dict(plan.to_dict())
    assert asdict(again) == asdict(plan)
    assert again.requests == plan.requests


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"base": {}, "lines": []},
        {"base": {"model": "m", "prompt": "a"}, "lines": []},
        {"base": {"model": "m", "prompt": "a"}, "lines": [{"field": "no", "values": [1]}]},
        {"base": {"model": "m", "prompt": "a"}, "lines": [{"field": "steps", "values": [{}]}]},
        {"base": {"model": "m", "prompt": "a"}, "lines": [{"field": "steps", "values": [1] * 37}]},
        {"base": {"model": "m", "prompt": "a"}, "lines": [{"field": "steps", "values": [1]}] * 3},
    ],
)
def test_what_is_no_plan_is_refused(kept: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        Plan.from_dict(kept)
