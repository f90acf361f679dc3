"""Sends the picture that a tab shows on to the input of another."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import EngineError
from ui.shared import SILENT, Shared, warn
from ui.stage import Result
from ui.tabs.picture_tab import PictureTab
from ui.tabs.tab import Tab

__all__ = ["connect_sending", "send_group"]

OPEN = """(...values) => {
  window.stepwise.turn("%s", %s);
  return values;
}"""


def send_group(targets: Sequence[PictureTab]) -> list[gr.Button]:
    """Place a button for each of the tabs that a picture can be sent to."""
    with gr.Row(elem_classes="sending"):
        gr.HTML("<p>Send to</p>")
        return [gr.Button(tab.title, size="sm", min_width=90) for tab in targets]


def connect_sending(shared: Shared, tab: Tab, targets: Sequence[PictureTab]) -> None:
    """Have the buttons of a tab hand the picture that it shows to the others."""
    for button, target in zip(tab.sends, targets, strict=True):
        _connect(shared, tab, button, target)


def _connect(shared: Shared, tab: Tab, button: gr.Button, target: PictureTab) -> None:
    parts, name, prompt = tab.parts, target.names["image"], target.inputs["prompt"]
    others = [field for field in target.fields if field != "image"]

    def send(session: Any, results: list[Result], shown: int) -> dict[Component, Any]:
        session = shared.owners.session(session)
        if not results:
            warn("There is no picture yet: generate one first.")
            return {name: gr.skip()}
        result = results[shown]
        try:
            updates = target.show("image", Path(result.path).read_bytes(), session["owner"])
            for field in others:  # they were of another picture
                updates |= target.show(field, None, session["owner"])
        except (EngineError, OSError) as error:
            warn(f"The picture cannot be sent: {error}")
            return {name: gr.skip()}
        words = {prompt: result.prompt} if result.prompt else {}
        return {shared.session: session, **updates, **words}

    arriving = json.dumps(["prompt"] if "prompt" in tab.inputs else [])
    sent = button.click(
        send,
        [shared.session, parts.results, parts.shown],
        [shared.session, *target.given.values(), *target.names.values(), prompt],
        js=OPEN % (target.task, arriving),
        **SILENT,
    )
    target.presets.keep_after(sent)
