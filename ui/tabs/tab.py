"""What every tab is: inputs left, the stage right, and one endpoint of the API."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import gradio as gr
from gradio.events import Dependency, api

from ui.api import draw
from ui.bind import Binding
from ui.controls import action_group, count_group, seed_group
from ui.panel import Panel
from ui.session import kept_in_browser
from ui.shared import Inputs, Shared
from ui.stage import build_stage

__all__ = ["Tab"]


class Tab(ABC):
    """One task of the page. A new one is a subclass in a module of its own, listed in `TABS`.

    title: written on the tab. task: of its Requests. film: whether its runs show a filmstrip.
    examples: prompts to try, for a tab with a prompt. inputs: what a run is made of, once built.
    """

    title: ClassVar[str]
    task: ClassVar[str]
    film: ClassVar[bool] = False
    examples: ClassVar[tuple[str, ...]] = ()

    def __init__(self, shared: Shared) -> None:
        """To be called outside `gr.Tabs`: what lies in a tab that has not been opened yet is not
        read from the browser."""
        self.shared = shared
        self.inputs: Inputs = {}
        self._run = kept_in_browser(self.task)

    @abstractmethod
    def compose(self) -> Inputs:
        """Place what the person asks for, above Generate."""

    @abstractmethod
    def settings(self) -> Inputs:
        """Place how it is made, above the number of pictures and the seed."""

    @abstractmethod
    async def call(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """The endpoint; its parameters are those of the API, a default for all but the needed."""

    async def draw(self, owner: str, **values: Any) -> list[dict[str, Any]]:
        """As ui.api.draw, for the tab's task."""
        return await draw(self.shared, self.task, owner, **values)

    def build(self) -> list[Dependency]:
        """Lay the tab out, inside `gr.Tabs`; returns the events that end when a run has ended."""
        tab = gr.Tab(self.title, id=self.task, elem_id=f"tab-{self.task}")
        with tab, gr.Column(elem_classes="desk"):
            with gr.Column(elem_classes="compose"):
                self.inputs |= self.compose()
                actions = action_group()
                if self.examples:
                    texts = [[text] for text in self.examples]
                    gr.Examples(texts, self.inputs["prompt"], label="Try one of these")
            with gr.Column(elem_classes="stage"):
                parts = build_stage(film=self.film)
            with gr.Column(elem_classes="settings"):
                self.inputs |= self.settings() | count_group() | seed_group(parts)
            with gr.Column(elem_classes="beneath"):
                panel = Panel(self.shared.service)
            api(self.call, api_name=self.task.replace("-", "_"), concurrency_limit=None)
        return Binding(
            self.shared,
            task=self.task,
            inputs=self.inputs,
            parts=parts,
            panel=panel,
            actions=actions,
            run=self._run,
        ).connect()
