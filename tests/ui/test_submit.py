from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import EngineError
from engine.pipelines.request import Request
from engine.service import QueueFull
from ui.styles import Style
from ui.submit import Submission

VALUES = {"model": "stub", "prompt": "unread", "steps": 2, "styles": ["Sky"]}


class Line:
    """A service with room for a few."""

    def __init__(self, room: int) -> None:
        self.taken: list[Request] = []
        self._room = room

    def submit(self, request: Request, owner: str, *, label: str) -> str:
        if len(self.taken) == self._room:
            raise QueueFull("The queue is full.")
        self.taken.append(request)
        return label


def submission(room: int = 9) -> tuple[Line, Submission]:
    line, styles = Line(room), {"Sky": Style("{prompt}, sky background")}
    shared: Any = SimpleNamespace(service=line, styles=styles)
    return line, Submission(shared, "text-to-image")


def test_a_run_has_the_styles_in_its_prompt() -> None:
    line, ours = submission()
    assert ours.one("ann", **VALUES | {"prompt": "a cube"}) == line.taken[0]
    assert line.taken[0].prompt == "a cube, sky background"


def test_each_line_is_a_run() -> None:
    line, ours = submission()
    assert ours.each("ann", "a cube\n\n  a cone \n", **VALUES) == ("", "")
    assert [one.prompt for one in line.taken] == [
        "a cube, sky background",
        "a cone, sky background",
    ]


def test_lines_without_room_are_given_back() -> None:
    line, ours = submission(room=1)
    left, why = ours.each("ann", "a cube\na cone\na torus", **VALUES)
    assert left == "a cone\na torus"
    assert why == "1 of 3 are in line. The queue is full."
    assert len(line.taken) == 1


@pytest.mark.parametrize(
    ("lines", "more", "why"),
    [
        (" \n\n", {}, "no prompt"),
        ("a cube\n" + "a" * 20_000, {}, "Prompt 2: prompt has"),
        ("a cube", {"steps": 0}, "Prompt 1: steps is 0"),
        ("a cube", {"styles": ["Gone"]}, "Prompt 1: There is no style 'Gone'"),
    ],
)
def test_one_wrong_line_and_none_is_put_in_line(lines: str, more: dict[str, Any], why: str) -> None:
    line, ours = submission()
    with pytest.raises(EngineError, match=why):
        ours.each("ann", lines, **VALUES | more)
    assert line.taken == []
