"""What a browser wishes of every tab, kept in it."""

import gradio as gr

from ui.session import kept_in_browser
from ui.shared import Shared

__all__ = ["build_preferences"]

TAKE = """(session, kept) => {
  const { closing = false, sound = false } = kept ?? {};
  window.stepwise.presence(session, closing);
  window.stepwise.signal(sound);
  return [closing, sound];
}"""

KEEP = """(session, closing, sound) => {
  window.stepwise.presence(session, closing);
  window.stepwise.signal(sound);
  return [{ closing, sound }];
}"""


def build_preferences(shared: Shared) -> None:
    """Place the choices and connect them."""
    kept = kept_in_browser("preferences")
    with gr.Accordion("Preferences", open=False, elem_classes="preferences"):
        closing = gr.Checkbox(False, label="Closing the page takes my waiting runs off the queue")
        sound = gr.Checkbox(False, label="A sound when a run has ended")
    boxes = [closing, sound]
    private = {"api_visibility": "private"}
    shared.opened.then(None, [shared.session, kept], boxes, js=TAKE, **private)
    gr.on([box.input for box in boxes], None, [shared.session, *boxes], kept, js=KEEP, **private)
