import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio.blocks import Block
from gradio.components import Component
from gradio.state_holder import SessionState
from gradio_client.exceptions import AppError  # type: ignore[import-untyped]

from engine.service import Service
from tests.api import PATIENCE, client
from tests.ui.page import launch_page
from tests.ui.stub import StubWorker, stub_models
from ui.crowd import Boxes, Sessions, answer_lightly, find_what_is_watched
from ui.given import Given
from ui.pictures import Shelf, Stage

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


def test_an_answer_is_what_gradio_makes_of_it_and_the_rest_costs_nothing() -> None:
    with gr.Blocks() as page:
        state, box, slider = gr.State(0), gr.Textbox("at first"), gr.Slider(0, 10, 5)
        page.load(lambda: None, None, [state, box, slider])
    (event,) = page.fns.values()

    def answered() -> Iterator[tuple[list[Any], list[Any], list[Component]]]:
        """What Gradio sends for one answer after another; what a session has then; and which of its
        components were made anew."""
        session = SessionState(page)
        for answer in [
            {box: "changed"},
            {state: 3},
            {slider: gr.update(maximum=20, value=15)},
            {slider: gr.update(interactive=False, label="b", visible=None), state: 2},
            {slider: gr.update(value=3), box: gr.update(value=None, visible=True)},
            {slider: 2, box: gr.skip(), state: 1},
            {slider: gr.update(maximum=30)},
            {slider: 2, box: "changed", state: 1},
            [1, "changed", 2],
        ]:
            before = [session[one._id] for one in (box, slider)]
            values = asyncio.run(page.postprocess_data(event, answer, session))
            shown = session[slider._id]
            kept = [session[state._id], shown.maximum, shown.interactive, shown.label]
            yield values, kept, [one for one in before if one._id not in _ids(session, box, slider)]

    plain = list(answered())
    answer_lightly(page)
    lightly = list(answered())
    assert [(values, kept) for values, kept, _ in lightly] == [(v, k) for v, k, _ in plain]
    assert plain[2][1] == [3, 20, None, None] and plain[6][1] == [1, 30, False, "b"]
    assert sum(len(made) for *_, made in plain) > sum(len(made) for *_, made in lightly) == 2
    assert asyncio.run(page.postprocess_data(event, {}, SessionState(page))) == [
        None,
        gr.skip(),
        gr.skip(),
    ]


ADDRESS = "pictures/0/a.png"


@pytest.mark.parametrize("beside", [(), (gr.Textbox,)])
@pytest.mark.parametrize(
    ("kind", "answers"),
    [
        (
            Stage,
            lambda: [b"a", ADDRESS, gr.update(value=b"a", alt_text="b"), gr.update(value=None)],
        ),
        (Given, lambda: [ADDRESS, None, gr.update(value=ADDRESS)]),
        (
            Shelf,
            lambda: [
                [(ADDRESS, "Seed 1")],
                gr.update(value=[(ADDRESS, "Seed 1")], selected_index=0),
                gr.update(selected_index=1),
                [],
            ],
        ),
        (gr.Button, lambda: ["Stop", gr.update(interactive=False), gr.update(visible=True)]),
        (gr.HTML, lambda: ["<p>", ""]),
        (gr.Row, lambda: [gr.update(visible=False)]),
        (gr.BrowserState, lambda: [{"owner": "a"}, "-", [], gr.update(value="-")]),
        (gr.State, lambda: [{"a": 1}, [], gr.update(value=2), gr.skip()]),
    ],
)
def test_each_kind_of_component_is_told_as_gradio_does(
    kind: Callable[[], Block], answers: Callable[[], list[Any]], beside: tuple[type[Block], ...]
) -> None:
    def told() -> list[Any]:
        session = SessionState(page)
        return [
            asyncio.run(page.postprocess_data(event, {component: answer}, session))[0]
            for answer in answers()
        ]

    with gr.Blocks() as page:
        component = kind()
        page.load(lambda: None, None, [component, *(other() for other in beside)])
    (event,) = page.fns.values()
    plain = told()
    answer_lightly(page)
    assert told() == plain


def test_an_answer_for_what_is_no_output_is_an_error() -> None:
    with gr.Blocks() as page:
        box, other = gr.Textbox(), gr.Textbox()
        page.load(lambda: None, None, box)
    (event,) = page.fns.values()
    answer_lightly(page)
    with pytest.raises(ValueError, match="not specified as output"):
        asyncio.run(
            page.postprocess_data(event, {other: gr.update(visible=False)}, SessionState(page))
        )


def test_states_that_start_an_event_are_found_without_a_search() -> None:
    with gr.Blocks() as page:
        state, other = gr.State([0]), gr.State([0])
        state.change(lambda: None, None, other)
        page.load(lambda: None, None, [other, state])
        page.load(lambda: None, None, other)
    change, both, one = page.fns.values()
    session = SessionState(page)
    plain = [page.get_state_ids_to_track(event, session) for event in (change, both, one)]
    assert [ids for ids, _ in plain] == [[], [state._id], []]
    find_what_is_watched(page)
    session.blocks_config.fns = {}  # what Gradio searches
    lightly = [page.get_state_ids_to_track(event, session) for event in (change, both, one)]
    assert lightly == plain
    assert page.get_state_ids_to_track(both, None) == ([], [])


def _ids(session: SessionState, *components: Component) -> list[int]:
    return [session[component._id]._id for component in components]


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
