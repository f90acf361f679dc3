from collections.abc import Callable
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio_client.exceptions import AppError  # type: ignore[import-untyped]

from engine.service import Service
from tests.api import PATIENCE, client
from tests.ui.page import launch_page
from tests.ui.stub import StubWorker, stub_models
from ui.crowd import Boxes, Sessions

CROWD = 50
"""More than Gradio answers at once if it is not told otherwise."""


def test_while_many_wait_others_are_answered(tmp_path: Path) -> None:
    models, outputs = stub_models(tmp_path / "models"), tmp_path / "outputs"
    service = Service(lambda: StubWorker(models, pace=0.2), outputs, models)
    page, app, url = launch_page(service, models, outputs)
    service.start()
    try:
        draw = {"prompt": "a", "model": "stub", "steps": 1000}
        with httpx.Client(timeout=PATIENCE) as http:
            for _ in range(CROWD):
                http.post(url + "gradio_api/call/v2/text_to_image", json=draw).raise_for_status()
        with pytest.raises(AppError, match="width is 60"):
            client(url).submit(**draw, width=60, api_name="/text_to_image").result(PATIENCE)
        assert service.status["waiting"] == CROWD - 1
        assert isinstance(app.state_holder, Sessions)
    finally:
        page.close(verbose=False)
        service.stop()


def test_every_visitor_has_values_of_their_own() -> None:
    with gr.Blocks() as page:
        state, box = gr.State([1]), gr.Textbox("at first", label="Words")
    sessions = Sessions()
    sessions.set_blocks(page)
    first, second = sessions["first"], sessions["second"]
    first[state._id].append(2)
    first[box._id] = gr.Textbox("changed", render=False)
    first._update_value_in_config(box._id, "changed")
    assert first is sessions["first"]
    assert (first[state._id], second[state._id]) == ([1, 2], [1])
    assert (first[box._id].value, second[box._id].value) == ("changed", "at first")
    assert not any(first.components) and not any(second.components)


def test_so_many_visitors_are_remembered() -> None:
    with gr.Blocks() as page:
        gr.State(0)
    page.state_session_capacity = 2
    sessions = Sessions()
    sessions.set_blocks(page)
    for name in "abac":
        sessions[name]
    assert list(sessions.session_data) == ["a", "c"]


@pytest.mark.parametrize(
    "look", [lambda boxes: boxes["a"], lambda boxes: boxes.get("a"), lambda boxes: "a" in boxes]
)
def test_who_still_waits_keeps_the_box(look: Callable[[Boxes], object]) -> None:
    boxes = Boxes(2)
    boxes["a"], boxes["b"] = 1, 2
    assert look(boxes)
    boxes["c"] = 3
    assert list(boxes) == ["a", "c"]
    assert boxes.get("b") is None and "b" not in boxes
