"""Ties a tab's Generate and Stop to the service. Values travel by name into a Request."""

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.errors import EngineError, RequestError
from engine.pipelines.request import Request
from engine.service import Service
from engine.service.errors import JobNotFound
from ui import markup
from ui.pictures import PictureRoute
from ui.stage import Parts, Result
from ui.stream import IDLE, View, views

__all__ = ["Binding", "new_session", "owner_of", "request_from"]

TOKEN = re.compile(r"[0-9a-f]{32}")
WHOLE = ("steps", "width", "height", "seed", "count")


def request_from(*, task: str, random_seed: bool = False, **values: Any) -> Request:
    """A checked Request from what the page or a caller of the API sent.

    Nothing of it has been looked at before: Gradio's own checks are off (`preprocess=False`), as
    their messages do not say which field they mean. Raises RequestError naming the field.
    """
    if random_seed:
        values["seed"] = secrets.randbelow(2**32 - 16)
    for name in WHOLE:
        values[name] = _number(name, values[name])
        if values[name] != int(values[name]):
            raise RequestError(f"{name} is {values[name]}: give a whole number.")
        values[name] = int(values[name])
    values["guidance_scale"] = _number("guidance_scale", values["guidance_scale"])
    for name in ("model", "prompt", "negative_prompt", "scheduler"):
        values[name] = str(values[name] or "")
    if not values["model"]:
        raise RequestError("model is empty: choose a model. The models folder may hold none.")
    request = Request(task=task, **values)
    request.check()
    return request


def _number(name: str, value: Any) -> float:
    if value is None:
        raise RequestError(f"{name} is empty: give a number.")
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise RequestError(f"{name} is {value!r}: give a number.")
    if value in (float("inf"), float("-inf")):
        raise RequestError(f"{name} is {value}: give a finite number.")
    return value


def new_session(session: Any) -> dict[str, str]:
    """What the browser keeps: the owner's token, and the job that the page watches."""
    kept = session if isinstance(session, dict) else {}
    owner = str(kept.get("owner", ""))
    if not TOKEN.fullmatch(owner):
        return {"owner": secrets.token_hex(16), "job": "", "prompt": ""}
    return {"owner": owner, "job": str(kept.get("job", "")), "prompt": str(kept.get("prompt", ""))}


def owner_of(token: str) -> str:
    """The token of a caller of the API, who may have none."""
    return token if TOKEN.fullmatch(token) else secrets.token_hex(16)


def _warn(message: str) -> None:
    """For who has scrolled away from the status line."""
    gr.Warning(escape(message))


class Binding:
    """The handlers of one tab, on its components."""

    def __init__(
        self,
        service: Service,
        route: PictureRoute,
        *,
        task: str,
        inputs: Mapping[str, Component],
        parts: Parts,
        generate: gr.Button,
        stop: gr.Button,
        session: gr.BrowserState,
    ) -> None:
        self._service, self._route, self._task = service, route, task
        self._inputs, self._parts = dict(inputs), parts
        self._generate, self._stop, self._session = generate, stop, session

    def connect(self, page: gr.Blocks) -> list[Dependency]:
        """Register the events, once, inside `page`; returns those that end when a run has ended."""
        parts = self._parts
        buttons = [self._generate, self._stop]
        silent: dict[str, Any] = {
            "api_visibility": "private",
            "show_progress": "hidden",
            "concurrency_limit": None,
        }
        submitted = self._generate.click(
            self.submit,
            inputs_kwargs={"session": self._session, **self._inputs},
            outputs=[self._session, self._inputs["seed"], parts.status, *buttons],
            preprocess=False,
            **silent,
        )
        watching: dict[str, Any] = {
            "fn": self.watch,
            "inputs": [self._session, parts.results],
            "outputs": [
                *(parts.picture, parts.status, parts.facts, parts.shelf, parts.hood),
                *(parts.results, parts.shown, parts.last, self._session, *buttons),
            ],
            **silent,
        }
        opened = page.load(new_session, self._session, self._session, **silent)
        self._stop.click(self.stop, self._session, [self._stop], queue=False, **silent)
        parts.accordion.expand(self.look, parts.last, parts.hood, **silent)
        return [submitted.then(**watching), opened.then(**watching)]

    async def submit(self, session: Any, **values: Any) -> dict[Component, Any]:
        """Hand the run to the service; returns at once."""
        kept = new_session(session)
        try:
            request = request_from(task=self._task, **values)
            job = self._service.submit(request, kept["owner"])
        except EngineError as error:
            _warn(str(error))
            return {
                self._session: {**kept, "job": ""},
                self._parts.status: markup.alert(str(error)),
            }
        waiting = View(phase="queued", message="Waiting for the engine")
        return {
            self._session: {**kept, "job": job, "prompt": request.prompt},
            self._inputs["seed"]: request.seed,
            self._parts.status: markup.status(waiting),
            self._generate: gr.update(interactive=False),
            self._stop: gr.update(interactive=True),
        }

    async def watch(
        self, session: Any, results: list[Result]
    ) -> AsyncIterator[dict[Component, Any]]:
        """Show the job of the session until it ends; also finds it again after a reload."""
        kept = new_session(session)
        if not kept["job"]:
            yield {self._stop: gr.update(interactive=False)}
            return
        old, view = list(results), IDLE
        yield {self._generate: gr.update(interactive=False)}
        try:
            async for view in views(self._service.events(kept["job"], kept["owner"])):
                new = [Result.of(s, view, kept["prompt"], self._route) for s in view.saved]
                yield self._parts.update(view, new, old) | {
                    self._stop: gr.update(interactive=view.running)
                }
        except JobNotFound:
            view = IDLE
        yield await self._ended(view, kept)

    async def _ended(self, view: View, kept: dict[str, str]) -> dict[Component, Any]:
        if view.phase == "failed":
            _warn(view.message)
        return {
            self._generate: gr.update(interactive=True),
            self._stop: gr.update(interactive=False),
            self._session: kept if view.phase == "done" else {**kept, "job": ""},
            self._parts.hood: await self.look(view),
            self._parts.last: replace(view, preview=None),
        }

    def stop(self, session: Any) -> dict[Component, Any]:
        """Ask the service to end the job before its next step."""
        kept = new_session(session)
        try:
            self._service.cancel(kept["job"], kept["owner"])
        except JobNotFound as error:
            _warn(str(error))
        return {self._stop: gr.update(interactive=False)}

    async def look(self, view: View) -> str:
        """The HTML of "Under the hood"."""
        try:
            return markup.hood(await self._service.query("figures"), view)
        except EngineError as error:
            return markup.hood(None, view, str(error))
