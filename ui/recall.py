"""A picture gives back how it was made: chosen or dropped on the page, it fills the tab of its
task."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import EngineError, PictureError
from engine.pipelines.changes import Change
from engine.pipelines.tasks import PICTURES
from engine.schedulers.registry import split_name
from engine.service.recall import Recalled, recall
from ui import markup
from ui.samplers import sampler_choices, type_choices
from ui.shared import SILENT, Shared, named_model, warn
from ui.tabs.picture_tab import PictureTab
from ui.tabs.tab import Tab

__all__ = ["RecallGroup"]

TURN = "(task) => window.stepwise.turn(task)"
AWAY = """
element.addEventListener("click", ({ target }) => {
  if (target.closest("button")) props.value = "";
});
"""
ELSEWHERE = "Hires upscale"
"""A word of AUTOMATIC1111 beside which a strength is that of a second run over the same picture."""


class RecallGroup:
    """The button, and what it says."""

    def __init__(self) -> None:
        """Place the button in the current layout."""
        self._button = gr.UploadButton(
            "Settings from a picture",
            size="sm",
            file_types=[".png", ".jpg", ".jpeg", ".webp"],
            type="binary",
            elem_id="recall",
        )

    def place_answer(self) -> None:
        """Place what it says in the current layout: outside `gr.Tabs`, as it has a state."""
        self._said = gr.HTML("", js_on_load=AWAY, elem_id="recalled")
        self._found: gr.State = gr.State(None)
        self._task = gr.Textbox(visible="hidden")

    def connect(self, shared: Shared, tabs: Sequence[Tab]) -> None:
        """Connect it to the tabs, once built."""
        self._shared, self._tabs = shared, {tab.task: tab for tab in tabs}
        brought: dict[Component, None] = {}
        for tab in tabs:
            brought |= dict.fromkeys(tab.brought)
            if isinstance(tab, PictureTab):
                brought |= dict.fromkeys((*tab.names.values(), *tab.given.values()))
        self._button.upload(self.read, self._button, self.told, **SILENT)
        turned = self._found.change(None, self._task, None, js=TURN, api_visibility="private")
        arrived = turned.then(
            self.bring,
            [shared.session, self._found, *(tab.inputs["model"] for tab in tabs)],
            [shared.session, *self.told, *brought],
            **SILENT,
        )
        for tab in tabs:
            tab.presets.keep_after(arrived)

    @property
    def told(self) -> list[Component]:
        """What `read` updates; what it says is then brought to a tab."""
        return [self._found, self._task, self._said]

    def read(self, data: bytes | None) -> dict[Component, Any]:
        """What a picture says, and the tab that it is for."""
        try:
            told = recall(data or b"")
        except PictureError as error:
            warn(f"Nothing was recalled: {error}")
            return {self._found: None, self._task: "", self._said: ""}
        # as a dictionary: gradio looks into it to see whether it has changed
        return {self._found: vars(told), self._task: _task(told), self._said: ""}

    def bring(
        self, session: Any, found: dict[str, Any] | None, *models: Any
    ) -> dict[Component, Any]:
        """Fill the tab, and say what could not be. models: that each of the tabs has."""
        if found is None:
            return {self._task: gr.skip()}
        told = Recalled(**found)
        session = self._shared.owners.session(session)
        tab, left = self._tabs[_task(told)], dict(told.left_out)
        known = {name: one for name, one in told.settings.items() if name != "task"}
        changes = tuple(map(Change.from_dict, known.pop("changes", ())))
        updates = self._pictures(tab, known, left, session["owner"])
        own = models[list(self._tabs).index(tab.task)]
        if "model" in known and not named_model(self._shared.models, tab.task, known["model"]):
            left["model"] = f"{known.pop('model')} (there is none of this name here)"
        known.setdefault("model", own)  # what else is said is for the one that the tab has
        left |= self._fitted(tab.task, known)
        for name in known.keys() - tab.inputs.keys():
            if (value := known.pop(name)) not in ("", None):
                left[name] = f"{value} ({tab.title} has no such setting)"
        known |= {"random_seed": False, "styles": []} if "seed" in known else {"styles": []}
        if "padding" in tab.inputs:
            known["only_marked"] = known.get("padding") is not None
        return {
            self._shared.session: session,
            **tab.bring(known, changes),
            **updates,
            self._said: markup.recalled(told, left, tab.title),
            self._found: None,  # so that the same picture can be recalled again
            self._task: "",
        }

    def _fitted(self, task: str, known: dict[str, Any]) -> dict[str, str]:
        """What does not fit the model, taken from `known`; names come as the lists have them."""
        if not known.get("scheduler") and not known.get("schedule_type"):
            return {}
        info, left = named_model(self._shared.models, task, known["model"]), {}
        sampler, kind = known.get("scheduler", ""), known.get("schedule_type", "")
        if sampler:
            with suppress(EngineError):  # there is none of this name: it is not in the list either
                sampler, named = split_name(sampler)
                kind = kind or named
        if sampler not in [name for _, name in sampler_choices(info)]:
            left["sampler"] = f"{sampler} (it does not fit the model)"
            sampler = ""
        if kind not in [name for _, name in type_choices(info, sampler)]:
            left["schedule type"] = f"{kind} (it does not fit the sampler)"
            kind = ""
        known |= {"scheduler": sampler, "schedule_type": kind}
        return left

    def _pictures(
        self, tab: Tab, known: dict[str, Any], left: dict[str, str], owner: str
    ) -> dict[Component, Any]:
        """Updates that give the tab the pictures that the run began with; takes them from `known`.
        One that is not here is told in `left`."""
        updates: dict[Component, Any] = {}
        if not isinstance(tab, PictureTab):
            return updates
        for field in tab.fields:
            name = known.pop(field, "")
            try:
                updates |= tab.hold(field, name, owner)
            except EngineError:
                updates |= tab.hold(field, "", owner)
                left[field] = "it is not kept here: choose it again"
            if not name and PICTURES[field]:
                left.setdefault(field, "the file does not hold it: choose it again")
        return updates


def _task(told: Recalled) -> str:
    """The task of a run. Other apps do not name it: what they say is of one."""
    said: Mapping[str, Any] = told.settings
    if "task" in said:
        return str(said["task"])
    if "strength" not in said or ELSEWHERE in told.left_out:
        return "text-to-image"
    marked = {"mask_blur", "padding", "fill"} & said.keys()
    return "inpaint" if marked else "image-to-image"
