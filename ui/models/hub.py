"""Getting a model from the Hub: look it up, see what it brings, have it downloaded."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.checkpoints.download import BEST
from engine.errors import EngineError
from engine.service import JobNotFound
from ui import markup
from ui.latest import Latest
from ui.models.markup import downloads, plan
from ui.shared import SILENT, Shared, warn

__all__ = ["HubGroup"]

PLACEHOLDER = "stable-diffusion-v1-5/stable-diffusion-v1-5"
OFF = "Models of the Hub are not offered here: who runs this studio decides it by --hub."
DEFAULT = "default"
"""What a choice calls weights without a variant."""

LIST = '<ul class="downloads">${value.join("")}</ul>'
ALIVE = """
element.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-act]");
  if (!button) return;
  trigger("act", { act: button.dataset.act, id: button.closest("[data-id]").dataset.id });
});
"""

RAW = SILENT | {"preprocess": False}


class HubGroup:
    """The controls, placed in the current layout, and what they do."""

    def __init__(self, shared: Shared) -> None:
        self._shared, self._latest = shared, Latest()
        self._downloads = shared.service.downloads
        if not self._downloads.hub.patterns:
            gr.HTML(markup.hint(OFF), elem_classes="hint")
            return
        self._name = gr.Textbox(
            label="Model on the Hub",
            placeholder=PLACEHOLDER,
            info="name/repository, or name/repository@revision",
            max_lines=1,
        )
        self._look = gr.Button("Look it up")
        self._plan = gr.HTML("", elem_classes="planned")
        self._variant = gr.Radio(
            [DEFAULT], label="Variant", value=DEFAULT, visible=False, elem_classes="variant"
        )
        self._start = gr.Button("Download", variant="primary", visible=False)
        self._list = gr.HTML([], html_template=LIST, js_on_load=ALIVE, apply_default_css=False)

    def connect(self, tab: gr.Tab, refresh: Callable[[Dependency], Any]) -> None:
        """Register the events. refresh: has the lists of models made anew after an event."""
        if not self._downloads.hub.patterns:
            return
        found = [self._plan, self._variant, self._start]
        gr.on([self._look.click, self._name.submit], self.look, self._name, found, **RAW)
        self._variant.input(self.look, [self._name, self._variant], found, **RAW)
        session = self._shared.session
        started = self._start.click(
            self.start, [session, self._name, self._variant], self._list, **RAW
        )
        acted = self._list.act(self.act, session, self._list, **RAW)
        for event in (tab.select, started.then, acted.then):
            watched = event(self.watch, session, self._list, trigger_mode="multiple", **RAW)
            refresh(watched)

    async def look(self, name: Any, variant: Any = None) -> dict[Component, Any]:
        """What a download would bring; variant: as it was chosen, None for the best."""
        asked = BEST if variant is None else _variant(variant)
        try:
            found = await asyncio.to_thread(self._downloads.plan, str(name or "").strip(), asked)
        except EngineError as error:
            away = gr.update(visible=False)
            return {
                self._plan: markup.alert(str(error)),
                self._variant: away,
                self._start: away,
            }
        names = [one or DEFAULT for one in found.variants]
        return {
            self._plan: plan(found),
            self._variant: gr.update(
                choices=names, value=found.variant or DEFAULT, visible=len(names) > 1
            ),
            self._start: gr.update(visible=not found.lacking),
        }

    def start(self, session: Any, name: Any, variant: Any) -> Any:
        """Have it downloaded."""
        owner = self._shared.owners.of(session)
        try:
            self._downloads.start(str(name or "").strip(), owner, _variant(variant))
        except EngineError as error:
            warn(str(error))
        return downloads(self._downloads.of(owner))

    def act(self, session: Any, event: gr.EventData) -> Any:
        """Do what a button of the list says."""
        owner, told = self._shared.owners.of(session), event._data
        told = told if isinstance(told, dict) else {}
        id = str(told.get("id"))
        with suppress(JobNotFound):  # it is not kept any more
            if told.get("act") == "stop":
                self._downloads.cancel(id, owner)
            elif told.get("act") == "start":
                one = next((one for one in self._downloads.of(owner) if one.id == id), None)
                if one is not None:
                    return self.start(session, one.name, one.variant or DEFAULT)
        return downloads(self._downloads.of(owner))

    async def watch(self, session: Any, page: gr.Request) -> AsyncIterator[Any]:
        """The list, until none goes on."""
        lists = self._lists(self._shared.owners.of(session))
        async for items in self._latest.of(str(page.session_hash), lists):
            yield items

    async def _lists(self, owner: str) -> AsyncIterator[list[str]]:
        async with aclosing(self._downloads.watch(owner)) as changes:
            async for infos in changes:
                yield downloads(infos)
                if all(info.ended for info in infos):
                    return


def _variant(chosen: Any) -> str | None:
    return None if chosen in (None, DEFAULT) else str(chosen)
