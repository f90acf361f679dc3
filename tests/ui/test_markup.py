from dataclasses import replace

import pytest

from engine.service.events import Changed, Frame, Saved
from ui.markup import HINT, alert, device, film, status
from ui.stage import Result, describe
from ui.stream import View

EVIL = "<img src=x onerror=alert(1)>\"'"


def test_nothing_that_comes_from_outside_is_html() -> None:
    changed = Changed(call=1, settings={"scheduler": EVIL})
    result = Result("pictures/s/a.png", EVIL, 1, 8, 8, 2)
    pieces = [
        alert(EVIL),
        status(View(phase="loading", message=EVIL)),
        device({"state": "ready", "device": EVIL}),
        status(View("drawing", changes=(changed,))),
        status(View("drawing", changes=(Changed(call=1, settings={}, refused=EVIL),))),
        describe(result),
    ]
    for piece in pieces:
        assert "<img" not in piece
        assert "&lt;img" in piece


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (View(), "Ready"),
        (View("drawing", "Drawing", 12, 25, 8.14), "step 12 of 25 · 8.1 steps/s · 2 s left"),
        (View("drawing", "Drawing", 1, 25, 0.05), "0.05 steps/s · 8 min left"),
        (View("done", "Done", 25, 25, seconds=3.21), "25 steps · 3.2 s"),
        (View("stopped", "Stopped", 3, 25), "after step 3 of 25"),
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
    changes = (Changed(call=6, settings=first), Changed(call=8, settings=second))
    line = status(replace(view, changes=changes))
    assert "DPM++ 2M to Heun at step 9<" in line
    assert 'data-say="DPM++ 2M to Heun at step 9"' in line
    assert HINT not in line
    refused = Changed(call=8, settings={"scheduler": "Flow Euler"}, refused="It does not fit.")
    line = status(replace(view, changes=(*changes, refused)))
    assert "No change at step 9: It does not fit." in line
    assert "data-refused" in line


def test_only_a_change_of_phase_is_read_out() -> None:
    def said(view: View) -> str:
        return status(view).partition('data-say="')[2].partition('"')[0]

    assert said(View("drawing", "Drawing", 1, 25, 8.0)) == said(View("drawing", "Drawing", 2, 25))
    saved = Saved(index=0, seed=1, path="p", width=8, height=8)
    assert said(View("done", "Done", saved=(saved,))) == "Done: 1 picture"
    assert said(View("done", "Done", saved=(saved, saved))) == "Done: 2 pictures"


def test_the_film_fills_from_the_left() -> None:
    frames = tuple(
        Frame(index=index, total=4, step=step, preview=b"jpeg")
        for index, step in enumerate((1, 17, 50))
    )
    strip = film(View("drawing", total=50, count=3, film=frames))
    columns = strip.split("<li")[1:]
    assert ["<img" in column for column in columns] == [True, True, True, False]
    assert 'src="data:image/jpeg;base64,anBlZw=="' in columns[0]
    assert 'alt="Step 17 of 50: noise fading into a picture"' in columns[1]
    assert 'alt="Step 50 of 50: the picture"' in columns[2]
    assert "--rows:3" in strip


def test_a_film_to_come_is_empty() -> None:
    assert film(View()).count('class="empty"') == 10
    assert "--rows:4" in film(View(count=16))
