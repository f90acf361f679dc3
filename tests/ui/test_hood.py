import re
from typing import Any

from engine.service.events import Changed
from tests.ui.test_plot import values
from ui import hood
from ui.stream import View

EVIL = "<img src=x onerror=alert(1)>\"'"


def schedule(name: str = "EulerDiscreteScheduler", **config: Any) -> dict[str, Any]:
    plots = {"timesteps": [999.0, 1.0], "sigmas": [14.6, 0.03, 0.0]}
    return {"class": name, "config": config, "steps": 2, "calls": 2, **plots}


def test_nothing_that_comes_from_outside_is_html() -> None:
    row = dict.fromkeys(("model", "name", "id", "device", "dtype"), EVIL)
    figures = {"components": [row | {"bytes": 1}], "bytes": 1, "budget": 2, "loads": 1}
    part = {"name": EVIL, "class": EVIL, "parameters": 1, "config": {EVIL: EVIL}}
    changes = (Changed(step=1, call=0, settings={"scheduler": EVIL}),)
    pieces = [
        hood.memory(figures),
        hood.run(View(phase="done", loaded=(EVIL,), changes=changes)),
        hood.problem("Schedule", EVIL),
        hood.schedule(schedule(EVIL)),
        hood.config(schedule(EVIL, key=EVIL)),
        hood.model({"pipeline": EVIL, "components": [part]}),
    ]
    for piece in pieces:
        assert "<img" not in piece
        assert "&lt;img" in piece


def test_the_schedule_is_plotted() -> None:
    section = hood.schedule(schedule())
    assert values(section) == {"Sigma": [14.6, 0.03, 0.0], "Timestep": [999, 1]}
    assert "EulerDiscreteScheduler · 2 steps<" in section
    assert "Steps done" in section
    section = hood.schedule(schedule() | {"steps": 1})
    assert "EulerDiscreteScheduler · 1 step, 2 calls of the model<" in section
    assert "Calls done" in section


def test_the_record_grows_while_the_run_goes_on() -> None:
    changes = (
        Changed(step=3, call=2, settings={"scheduler": "Heun"}),
        Changed(step=5, call=4, settings={"steps": 2000}, refused="At most 1000."),
    )
    settings = {"scheduler": "Euler"}
    assert hood.run(View("drawing", settings=settings)) == ""
    section = hood.run(View("drawing", settings=settings, changes=changes))
    assert "This run" in section
    assert re.findall(r"<li( data-refused)?>([^<]*)<", section) == [
        ("", "Euler to Heun at step 3"),
        (" data-refused", "No change at step 5: At most 1000."),
    ]


def test_the_last_run_has_its_norms_with_the_changes_marked() -> None:
    trace = dict.fromkeys(("sigma", "timestep", "x", "x0", "eps"), (3.0, 2.0, 1.0))
    changes = (Changed(step=2, call=1, settings={"scheduler": "Heun"}),)
    done = View("done", total=2, calls=3, changes=changes, trace=trace, loaded=("unet",))
    section = hood.run(done)
    assert len(values(section)) == 3
    assert "2 steps, 3 calls of the model" in section and "Calls a second" in section
    assert section.count('class="mark"') == 1
    assert 'data-loaded="1"' in section


def test_a_model_is_counted() -> None:
    sizes = {"unet": 3_456_789, "vae": 1_200_000_000, "tiny": 512, "tokenizer": None}
    parts = [
        {"name": name, "class": "C", "parameters": size, "config": {"a": 1} if size else None}
        for name, size in sizes.items()
    ]
    section = hood.model({"pipeline": "StableDiffusionPipeline", "components": parts})
    cells = re.findall(r'class="number">([^<]*)<', section)
    assert cells == ["3.46 M", "1.20 B", "512", "–"]
    assert "1.20 B parameters" in section
    assert section.count("<details>") == 3
