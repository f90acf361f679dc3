"""Tab "History": all that was drawn, newest first."""

import gradio as gr

from ui.history.bind import AGES, ANY, Browsing, Parts
from ui.history.export import FORMATS
from ui.pictures import Stage
from ui.recall import RecallGroup
from ui.shared import Inputs, Shared

__all__ = ["History"]

ALIVE = """
const page = element.closest(".history");
page.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-act]");
  if (!button || !element.contains(button)) return;
  const told = window.stepwise.pressed(page, button);
  if (told) trigger("act", told);
});
"""


class History:
    """What an owner has on disk, to be found, looked at, sorted and taken along."""

    title, task = "History", "history"

    def __init__(self, shared: Shared, recalling: RecallGroup) -> None:
        """To be called outside `gr.Tabs`, as Tab."""
        self.shared, self._recalling = shared, recalling

    def build(self) -> None:
        """Lay the tab out, inside `gr.Tabs`."""
        tab = gr.Tab(self.title, id=self.task, elem_id=f"tab-{self.task}")
        with tab, gr.Column(elem_classes="desk history"):
            with gr.Column(elem_classes="compose"):
                asked: Inputs = {
                    "words": gr.Textbox(label="Search prompts", lines=1, max_lines=1),
                    "task": _choice("Task"),
                    "model": _choice("Model"),
                    "scheduler": _choice("Sampler"),
                    "when": gr.Dropdown(
                        [*AGES],
                        value=next(iter(AGES)),
                        label="Drawn",
                        info="Or type a year, month or day: 2026-11-28",
                        allow_custom_value=True,
                    ),
                    "favourite": gr.Checkbox(False, label="Favourites only"),
                    "trashed": gr.Checkbox(False, label="In the trash"),
                }
                kind = gr.Radio([*FORMATS], value="PNG", label="Download as")
                bare = gr.Checkbox(False, label="Leave out how it was made")
                total = _alive("")
            with gr.Column(elem_classes="stage"):
                picture = Stage(
                    label="Picture",
                    show_label=False,
                    interactive=False,
                    buttons=["fullscreen"],
                    visible=False,
                    elem_classes="picture",
                    alt_text="",
                )
                pair = gr.HTML(visible=False, elem_classes="curtain")
                about = _alive("")
                bar = _alive("")
                cards = _alive([], html_template='<ul class="cards">${value.join("")}</ul>')
                with gr.Row(visible=False, elem_classes="turning") as turning:
                    newer = gr.Button("Newer", size="sm", min_width=80)
                    page = gr.Number(1, label="Page", minimum=1, precision=0, min_width=80)
                    of = gr.HTML()
                    older = gr.Button("Older", size="sm", min_width=80)
                address = gr.Textbox(visible="hidden")
        parts = Parts(
            asked=asked,
            bar=bar,
            cards=cards,
            newer=newer,
            page=page,
            of=of,
            older=older,
            turning=turning,
            picture=picture,
            pair=pair,
            about=about,
            summary=total,
            kind=kind,
            bare=bare,
            address=address,
        )
        Browsing(self.shared, parts, self._recalling).connect(tab)


def _choice(label: str) -> gr.Dropdown:
    return gr.Dropdown([ANY], value=ANY, label=label)


def _alive(value: str | list[str], **more: str) -> gr.HTML:
    """HTML whose buttons tell what they do."""
    return gr.HTML(value, js_on_load=ALIVE, apply_default_css=False, **more)  # type: ignore[arg-type]
