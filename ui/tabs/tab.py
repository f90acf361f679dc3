"""What every tab is: inputs left, the stage right, and one endpoint of the API."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency, api

from engine.pipelines.changes import Change
from ui.api import endpoint
from ui.bind import Binding
from ui.controls import (
    ENDS,
    Actions,
    action_group,
    count_group,
    guidance_group,
    model_group,
    negative_group,
    seed_group,
    steps_group,
    style_group,
)
from ui.panel import Panel
from ui.presets import Presets
from ui.replay import Replay
from ui.samplers import sampler_group
from ui.settings import fill, settings_of
from ui.shared import Inputs, Runs, Shared
from ui.stage import Parts, build_stage

__all__ = ["Tab"]


class Tab(ABC):
    """One task of the page. A new one is a subclass in a module of its own, listed in `TABS`.

    title: written on the tab. task: of its Requests. about, defaults: of its endpoint, as
    `ui.api.endpoint`. examples: prompts to try, for a tab with a prompt. layout: a class of the
    style sheet for its desk. inputs: what a run is made of, once built; parts, actions: of its
    stage and below its prompt, likewise. asked: ids of its jobs that a page found when it was
    opened. presets: what a browser keeps of its inputs. replay: changes for its runs to make.
    """

    title: ClassVar[str]
    task: ClassVar[str]
    about: ClassVar[str]
    defaults: ClassVar[dict[str, Any]] = {}
    examples: ClassVar[tuple[str, ...]] = ()
    layout: ClassVar[str] = ""

    def __init__(self, shared: Shared) -> None:
        """To be called outside `gr.Tabs`: what lies in a tab that has not been opened yet is not
        read from the browser, and what lies between two tabs confuses their order."""
        self.shared = shared
        self.inputs: Inputs = {}
        self.tab: gr.Tab
        self.parts: Parts
        self.actions: Actions
        self.sends: list[gr.Button] = []
        self.asked = gr.State([])
        self._ended = gr.State(())
        self.presets = Presets(shared, self.task)
        self.replay = Replay(shared, self.task)

    @abstractmethod
    def compose(self) -> Inputs:
        """Place what the person asks for, above Generate."""

    @abstractmethod
    def settings(self) -> Inputs:
        """Place how it is made, above the number of pictures and the seed."""

    def text_settings(self) -> Inputs:
        """Place the settings of a run that reads a text."""
        texts = negative_group() | style_group(self.shared.styles)
        models = model_group(self.shared, self.task)
        samplers = sampler_group(self.shared, self.task, models["model"])
        with gr.Row(elem_classes="pair"):
            numbers = steps_group(elem_classes="live")
            numbers |= guidance_group(end=ENDS["guidance_scale"], elem_classes="live")
        return {**texts, **models, **samplers, **numbers}

    def offer(self) -> None:
        """Place what there is to try."""
        if self.examples:
            texts = [[text] for text in self.examples]
            gr.Examples(texts, self.inputs["prompt"], label="Try one of these")

    def look_closer(self) -> None:  # noqa: B027 - most tabs have none
        """Place what else there is to see of a finished picture, below `parts`."""

    def started(self, button: gr.Button) -> Callable[..., Dependency]:
        """What submits a run for a button: called as the method of an event."""
        return button.click

    @property
    def brought(self) -> list[Component]:
        """What `bring` may update."""
        return [*settings_of(self.inputs).values(), *self.replay.outputs]

    def bring(
        self, values: Mapping[str, Any], changes: Sequence[Change] = ()
    ) -> dict[Component, Any]:
        """Updates that bring settings to the controls, and changes for the runs to make, or none.

        values: by the names of `inputs`.
        """
        own = settings_of(self.inputs)
        return fill(own, values, self.shared.models, self.task) | self.replay.show(changes)

    def build(self, place_sending: Callable[[], list[gr.Button]]) -> Runs:
        """Lay the tab out, inside `gr.Tabs`.

        place_sending: places the buttons that send the picture on, which become `sends`.
        """
        self.tab = gr.Tab(self.title, id=self.task, elem_id=f"tab-{self.task}")
        with self.tab, gr.Column(elem_classes=f"desk {self.layout}"):
            with gr.Column(elem_classes="compose"):
                self.inputs |= self.compose()
                self.actions = action_group("prompt" in self.inputs)
                self.inputs |= self.replay.build()
                self.offer()
            with gr.Column(elem_classes="stage"):
                self.parts = build_stage()
                self.sends = place_sending()
                self.look_closer()
            with gr.Column(elem_classes="settings"):
                self.inputs |= self.settings() | count_group() | seed_group(self.parts)
                self.presets.build(self.inputs, self.actions.starts)
                self.presets.restore_after(self.tab.select)
                self.replay.end_with(self.presets.others)
            with gr.Column(elem_classes="beneath"):
                panel = Panel(self.shared.service)
            call = endpoint(self.shared, self.task, self.about, self.defaults)
            api(call, api_name=self.task.replace("-", "_"), concurrency_limit=None)
        return Binding(
            self.shared,
            task=self.task,
            inputs=self.inputs,
            parts=self.parts,
            panel=panel,
            actions=self.actions,
            asked=self.asked,
            seen=self._ended,
            started=self.started,
        ).connect()
