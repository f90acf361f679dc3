from typing import Any

from engine.service.events import Changed
from ui.changes import told
from ui.stream import View

ASKED = {"scheduler": "Euler", "schedule_type": "", "guidance_scale": 5.0, "steps": 25}


def texts(*changes: tuple[int, dict[str, Any], str], settings: dict[str, Any] = ASKED) -> list[str]:
    events = tuple(Changed(step=c + 1, call=c, settings=s, refused=r) for c, s, r in changes)
    return [str(line) for line in told(View(settings=settings, changes=events))]


def test_each_setting_is_told_from_what_it_was() -> None:
    assert texts(
        (0, {"scheduler": ""}, ""),
        (6, {"scheduler": "DPM++ 2M"}, ""),
        (7, {"schedule_type": "Karras"}, ""),
        (8, {"guidance_scale": 7.5}, ""),
        (9, {"steps": 40}, ""),
        (10, {"schedule_type": ""}, ""),
    ) == [
        "Euler to Model's own at step 1",
        "Model's own to DPM++ 2M at step 7",
        "Schedule type Automatic to Karras at step 8",
        "Guidance 5 to 7.5 at step 9",
        "Steps 25 to 40 at step 10",
        "Schedule type Karras to Automatic at step 11",
    ]


def test_changes_of_one_step_are_one_line() -> None:
    assert texts((6, {"scheduler": "Heun"}, ""), (6, {"guidance_scale": 2, "steps": 9}, "")) == [
        "Euler to Heun, Guidance 5 to 2, Steps 25 to 9 at step 7"
    ]


def test_a_refusal_gives_the_reason_and_changes_nothing() -> None:
    assert texts(
        (6, {"scheduler": "Flow Euler"}, "It is for flow models."),
        (6, {"scheduler": "Heun"}, ""),
    ) == ["No change at step 7: It is for flow models.", "Euler to Heun at step 7"]


def test_a_change_is_told_at_its_step_and_marked_at_its_call() -> None:
    change = Changed(step=4, call=6, settings={"steps": 9})
    (line,) = told(View(settings=ASKED, changes=(change,)))
    assert str(line) == "Steps 25 to 9 at step 4" and line.call == 7


def test_what_a_run_began_with_may_be_forgotten() -> None:
    lines = texts((6, {"scheduler": "Heun", "steps": 9}, ""), settings={})
    assert lines == ["to Heun, Steps to 9 at step 7"]
