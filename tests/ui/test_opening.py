import logging
from typing import Any

import gradio as gr
import pytest

from tests.ui.stub import SECRET
from ui.opening import Opening
from ui.session import Owners, kept_in_browser


def test_each_answer_gets_its_own_values_and_one_that_fails_takes_none_along(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(owner: str, value: Any) -> dict[Any, Any]:
        raise OSError("the folder is gone")

    owners, opening = Owners(SECRET), Opening()
    with gr.Blocks() as page:
        session = kept_in_browser("session")
        a, b, c, d = boxes = [gr.Textbox() for _ in range(4)]
        opened = page.load(owners.session, session, session)
        opening.add(lambda owner: {a: owner}, [], [a])
        opening.add(fails, [a], [b])
        opening.add(lambda owner, *values: {c: "".join(values)}, [b, c], [c])
        opening.add(lambda owner, value: {}, [d], [d])
        opening.connect(opened, session, owners)
    *_, event = page.fns.values()
    assert event.inputs == [session, *boxes] and event.outputs == boxes
    kept = owners.session(None)
    with caplog.at_level(logging.ERROR):
        answer = event.fn(kept, *"1234")
    assert answer == {a: kept["owner"], c: "23"}
    assert "the folder is gone" in caplog.text
