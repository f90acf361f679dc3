"""Under the hood of a tab: asked of the worker while the panel is open, also while that is busy."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import EngineError
from engine.service import Service
from ui import hood
from ui.request import FIELDS
from ui.shared import SILENT, Inputs
from ui.stream import IDLE

__all__ = ["Panel"]

SCHEDULE = ("model", "scheduler", "schedule_type", "steps")
"""Fields of a Request that the schedule depends on."""


class Panel:
    """Its sections, placed in the current layout, and what fills them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open = gr.State(False)
        with gr.Accordion("Under the hood", open=False, elem_classes="under") as self._accordion:
            self._schedule = gr.HTML()
            with gr.Accordion("Scheduler's config", open=False, elem_classes="config"):
                self._config = gr.HTML()
            self.run = gr.HTML(hood.run(IDLE))
            self._model = gr.HTML()
            self.memory = gr.HTML()

    def connect(self, inputs: Inputs) -> None:
        """Follow the tab's controls as long as the panel is open."""
        followed = [inputs[name] for name in SCHEDULE]
        settings = {name: inputs[name] for name in SCHEDULE}
        about = [self._schedule, self._config]
        self._accordion.expand(
            self.open,
            inputs_kwargs=settings,
            outputs=[self._open, *about, self._model, self.memory],
            preprocess=False,
            **SILENT,
        )
        self._accordion.collapse(lambda: False, None, self._open, **SILENT)
        gr.on(
            [component.change for component in followed],  # type: ignore[attr-defined]
            self.follow,
            inputs_kwargs={"is_open": self._open, **settings},
            outputs=about,
            preprocess=False,
            trigger_mode="always_last",  # a slider moves faster than answers come
            **SILENT,
        )
        inputs["model"].change(  # type: ignore[attr-defined]
            self.show_model,
            [self._open, inputs["model"]],
            self._model,
            preprocess=False,
            **SILENT,
        )

    async def open(self, **settings: Any) -> dict[Component, Any]:
        """All sections but the run's, which is told from its events."""
        return {
            self._open: True,
            self._model: await self.show_model(True, settings["model"]),
            **await self._follow(settings),
            **await self.look(),
        }

    async def follow(self, is_open: bool, **settings: Any) -> dict[Component, Any]:
        """The schedule of the settings as they are now."""
        # gradio takes an empty dictionary for too few outputs
        return await self._follow(settings) if is_open else {self._schedule: gr.skip()}

    async def show_model(self, is_open: bool, model: Any) -> Any:
        """The model chosen now: its components and how they are configured."""
        if not is_open:
            return gr.skip()
        return await self._ask("Model", hood.model, "model", model=str(model or ""))

    async def look(self) -> dict[Component, Any]:
        """What the engine holds in memory now."""
        return {self.memory: await self._ask("In memory", hood.memory, "figures")}

    async def _follow(self, settings: Mapping[str, Any]) -> dict[Component, Any]:
        try:
            values = {name: FIELDS[name](name, value) for name, value in settings.items()}
            answer = await self._service.query("schedule", **values)
        except EngineError as error:
            return {self._schedule: hood.problem("Schedule", str(error)), self._config: ""}
        return {self._schedule: hood.schedule(answer), self._config: hood.config(answer)}

    async def _ask(
        self, title: str, section: Callable[[Any], str], query: str, **arguments: Any
    ) -> str:
        try:
            return section(await self._service.query(query, **arguments))
        except EngineError as error:
            return hood.problem(title, str(error))
