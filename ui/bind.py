"""Ties a tab's Generate and Stop to the service. Values travel by name into a Request."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.errors import EngineError
from engine.service.errors import JobNotFound
from ui import hood, markup
from ui.changes import LIVE
from ui.controls import Actions
from ui.panel import Panel
from ui.request import request_from
from ui.session import kept_run, new_session
from ui.shared import SILENT, Inputs, Shared, warn
from ui.stage import Parts, Result
from ui.steer import connect_steering
from ui.stream import IDLE, View, views

__all__ = ["Binding"]


class Binding:
    """The handlers of one tab, on its components.

    run: what the browser keeps of its run. started: what submits one, as the method of an event.
    """

    def __init__(
        self,
        shared: Shared,
        *,
        task: str,
        inputs: Inputs,
        parts: Parts,
        panel: Panel,
        actions: Actions,
        run: gr.BrowserState,
        started: Callable[..., Dependency],
    ) -> None:
        self._shared, self._service, self._task = shared, shared.service, task
        self._inputs, self._parts, self._panel, self._run = inputs, parts, panel, run
        self._generate, self._stop = actions.generate, actions.stop
        self._started = started

    def connect(self) -> list[Dependency]:
        """Register the events, once; returns those that end when a run has ended."""
        parts, session = self._parts, self._shared.session
        buttons = [self._generate, self._stop]
        submitted = self._started(
            self.submit,
            inputs_kwargs={"session": session, **self._inputs},
            outputs=[
                *(session, self._run, self._inputs["seed"]),
                *(parts.status, *parts.film.parts, *buttons),
            ],
            preprocess=False,
            **SILENT,
        )
        watching: dict[str, Any] = {
            "fn": self.watch,
            "inputs": [session, self._run, parts.results],
            "outputs": [
                *(parts.picture, *parts.film.parts, parts.status, parts.facts, parts.shelf),
                *(self._panel.run, self._panel.memory),
                *(parts.results, parts.shown, self._run, *buttons),
            ],
            **SILENT,
        }
        self._stop.click(self.stop, [session, self._run], self._stop, queue=False, **SILENT)
        self._panel.connect(self._inputs)
        connect_steering(self._shared, self._inputs, self._run)
        return [submitted.then(**watching), self._shared.opened.then(**watching)]

    async def submit(self, session: Any, **values: Any) -> dict[Component, Any]:
        """Hand the run to the service; returns at once."""
        session = new_session(session)
        try:
            request = request_from(task=self._task, **values)
            job = self._service.submit(request, session["owner"])
        except EngineError as error:
            warn(str(error))
            return {self._run: {}, self._parts.status: markup.alert(str(error))}
        waiting = View(phase="queued", message="Waiting for the engine", count=request.count)
        return {
            self._shared.session: session,
            self._run: {
                "job": job,
                "prompt": request.prompt,
                "settings": {name: getattr(request, name) for name in LIVE},
            },
            self._inputs["seed"]: request.seed,
            self._parts.status: markup.status(waiting),
            **self._parts.film.begin(waiting),
            self._generate: gr.update(interactive=False),
            self._stop: gr.update(interactive=True),
        }

    async def watch(
        self, session: Any, kept: Any, results: list[Result]
    ) -> AsyncIterator[dict[Component, Any]]:
        """Show the tab's job until it ends; also finds it again after a reload."""
        owner, kept = new_session(session)["owner"], kept_run(kept)
        if not kept["job"]:
            yield {self._stop: gr.update(interactive=False)}
            return
        old, record = list(results), IDLE.changes
        view = asked = View(settings=kept["settings"])
        yield {self._generate: gr.update(interactive=False)}
        try:
            async for view in views(self._service.events(kept["job"], owner), asked):
                new = [
                    Result.of(saved, view, kept["prompt"], self._shared.route)
                    for saved in view.saved
                ]
                changed = self._parts.update(view, new, old)
                # always: of a list that is in every event Gradio sends only what is new
                changed[self._parts.film.strip] = markup.film(view)
                if view.changes != record:
                    record = view.changes
                    changed[self._panel.run] = hood.run(view)
                yield changed | {self._stop: gr.update(interactive=view.running)}
        except JobNotFound:
            view = IDLE
        yield {
            self._generate: gr.update(interactive=True),
            self._stop: gr.update(interactive=False),
            **await self._ended(view, kept),
        }

    async def _ended(self, view: View, kept: dict[str, Any]) -> dict[Component, Any]:
        """What is left of a run: a picture is shown again after a reload, a failure is not."""
        if view.phase == "failed":
            warn(view.message)
        return {
            self._run: kept if view.phase == "done" else {},
            self._panel.run: hood.run(view),
            **await self._panel.look(),
        }

    def stop(self, session: Any, kept: Any) -> dict[Component, Any]:
        """Ask the service to end the job before its next step."""
        try:
            self._service.cancel(kept_run(kept)["job"], new_session(session)["owner"])
        except JobNotFound as error:
            warn(str(error))
        return {self._stop: gr.update(interactive=False)}
