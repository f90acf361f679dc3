"""Tab "Models": what is at hand, and how to get more."""

from typing import Any

import gradio as gr
from gradio.components import Component

from ui.controls import refresh
from ui.models.hub import HubGroup
from ui.models.markup import cards
from ui.shared import SILENT, Shared, starred_of

__all__ = ["ModelsTab"]

LIST = '<ul class="models">${value.join("")}</ul>'
ALIVE = """
element.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-act]");
  if (button) trigger("act", { id: button.closest("[data-id]").dataset.id });
});
"""
ABOUT = (
    "A model is a folder in the layout of diffusers, or one safetensors file as its authors "
    "publish it, in the folder that Stepwise was started with by --models. That may be the models "
    "folder of AUTOMATIC1111 or of ComfyUI."
)

RAW = SILENT | {"preprocess": False}


class ModelsTab:
    """The models of all tasks. pickers: task -> the list of a tab in which one is chosen."""

    title, task = "Models", "models"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def build(self, pickers: list[tuple[str, Component]]) -> None:
        """Lay the tab out, inside `gr.Tabs`, after those that the pickers are in."""
        self._pickers = pickers
        tab = gr.Tab(self.title, id=self.task, elem_id=f"tab-{self.task}")
        with tab, gr.Column(elem_classes="desk models-desk"):
            with gr.Column(elem_classes="compose"):
                gr.HTML(f'<p class="intro">{ABOUT}</p>')
                hub = HubGroup(self._shared)
            with gr.Column(elem_classes="stage"):
                self._list = gr.HTML(
                    [], html_template=LIST, js_on_load=ALIVE, apply_default_css=False
                )
        starred, lists = self._shared.starred, [one for _, one in pickers]
        tab.select(self.show, starred, self._list, **RAW)
        self._list.act(self.star, [starred, *lists], [starred, self._list, *lists], **RAW)
        hub.connect(
            tab,
            lambda event: event.then(self.renew, [starred, *lists], [self._list, *lists], **RAW),
        )

    def show(self, starred: Any) -> list[str]:
        """What is at hand now."""
        return cards(self._shared.models(), starred_of(starred), self._shared.safety)

    def star(self, event: gr.EventData, starred: Any, *chosen: Any) -> list[Any]:
        """Give a model a star, or take it away."""
        told = event._data
        name = str(told.get("id")) if isinstance(told, dict) else ""
        names = starred_of(starred)
        if any(model.name == name for model in self._shared.models()):
            names = [one for one in names if one != name] + [name] * (name not in names)
        kept = {"names": names}
        return [kept, *self.renew(kept, *chosen)]

    def renew(self, starred: Any, *chosen: Any) -> list[Any]:
        """The list, and the lists of the other tabs."""
        names = starred_of(starred)
        return [
            self.show(starred),
            *(
                gr.update(**refresh(self._shared.models, task, name, names))
                for (task, _), name in zip(self._pickers, chosen, strict=True)
            ),
        ]
