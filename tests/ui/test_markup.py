from dataclasses import replace
from typing import Any

import pytest

from engine.service.events import Changed, Frame, Saved
from ui.markup import HINT, alert, device, film, status
from ui.stage import Result, describe
from ui.stream import View

EVIL = "<img src=x onerror=alert(1)>\"'"


def test_nothing_that_comes_from_outside_is_html() -> None:
    changed = Changed(step=2, call=1, settings={"scheduler": EVIL})
    result = Result("j", "pictures/s/a.png", "/a.png", EVIL, 1, 8, 8, 2)
    pieces = [
        alert(EVIL),
        status(View(phase="loading", message=EVIL)),
        device({"state": "ready", "device": EVIL}),
        status(View("drawing", changes=(changed,))),
        status(View("drawing", changes=(Changed(step=2, call=1, settings={}, refused=EVIL),))),
        describe(result),
    ]
    for piece in pieces:
        assert "<img" not in piece
        assert "&lt;img" in piece


def at(step: int, total: int, call: int = 0, calls: int = 0, **more: Any) -> View:
    """A view at a step; without calls, each step is one."""
    place = {"step": step, "total": total, "call": call or step, "calls": calls or total}
    return View(**{"phase": "drawing", "message": "Drawing", **place, **more})


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (View(), "Ready"),
        (at(12, 25, rate=8.14), "step 12 of 25 · 8.1 steps/s · 2 s left"),
        (at(5, 12, 9, 23, rate=2), "step 5 of 12 · call 9 of 23 · 2.0 calls/s · 7 s left"),
        (at(1, 25, rate=0.05), "0.05 steps/s · 8 min left"),
        (at(25, 25, phase="done", seconds=3.21), "25 steps · 3.2 s"),
        (at(1, 1, phase="done", seconds=3.21), "1 step · 3.2 s"),
        (at(12, 12, 23, 23, phase="done", seconds=3.21), "12 steps · 23 calls · 3.2 s"),
        (at(3, 25, phase="stopped"), "after step 3 of 25"),
        (at(5, 12, 9, 23, phase="stopped"), "after step 5 of 12 · call 9 of 23"),
        (View("stopped", "Stopped"), "before the start"),
        (View("failed", "It broke."), "It broke."),
    ],
)
def test_the_line_says_where_the_run_is(view: View, words: str) -> None:
    assert words in status(view)


def test_the_line_tells_the_latest_change_and_until_then_that_there_may_be_one() -> None:
    settings = {"scheduler": "Euler", "steps": 25}
    first, second = ({"scheduler": name} for name in ("DPM++ 2M", "Heun"))
    view = View("drawing", "Drawing", 9, 25, settings=settings)
    assert HINT in status(view)
    assert HINT not in status(View("loading", "Loading"))
    changes = (Changed(step=7, call=6, settings=first), Changed(step=9, call=8, settings=second))
    line = status(replace(view, changes=changes))
    assert "DPM++ 2M to Heun at step 9<" in line
    assert 'data-say="DPM++ 2M to Heun at step 9"' in line
    assert HINT not in line
    refused = Changed(
        step=9, call=8, settings={"scheduler": "Flow Euler"}, refused="It does not fit."
    )
    line = status(replace(view, changes=(*changes, refused)))
    assert "No change at step 9: It does not fit." in line
    assert "data-refused" in line


def test_only_a_change_of_phase_is_read_out() -> None:
    def said(view: View) -> str:
        return status(view).partition('data-say="')[2].partition('"')[0]

    assert said(at(1, 25, rate=8.0)) == said(at(2, 25))
    saved = Saved(index=0, seed=1, path="p", width=8, height=8)
    assert said(View("done", "Done", saved=(saved,))) == "Done: 1 picture"
    assert said(View("done", "Done", saved=(saved, saved))) == "Done: 2 pictures"


def test_the_film_fills_from_the_left() -> None:
    frames = tuple(
        Frame(index=index, total=4, step=step, preview=b"jpeg")
        for index, step in enumerate((1, 17, 50))
    )
    items = film(View("drawing", total=50, film=frames))
    assert ["<img" in item for item in items] == [True, True, True, False]
    assert 'src="data:image/jpeg;base64,anBlZw=="' in items[0]
    assert 'alt="Step 17 of 50"' in items[1]


def test_a_film_to_come_is_empty() -> None:
    assert ['class="empty"' in item for item in film(View())] == [True] * 16
