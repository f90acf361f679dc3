"""Ties a tab's buttons to the service. Values travel by name into a Request."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.errors import EngineError
from engine.service import JobInfo, JobNotFound
from ui import hood, markup
from ui.changes import LIVE
from ui.controls import Actions
from ui.jobs import current, jobs_of
from ui.latest import Latest
from ui.panel import Panel
from ui.shared import SILENT, Inputs, Runs, Shared, warn
from ui.stage import KEPT, Parts, Result
from ui.steer import connect_steering
from ui.stream import IDLE, View, views
from ui.submit import Submission

__all__ = ["Binding"]

ENDING = ("saving", "done", "stopped", "failed")
"""Phases of a View after the last step."""


class Binding:
    """The handlers of one tab, on its components.

    asked: ids of the jobs of the tab that a page finds when it is opened; seen: of those that it
    has shown to their end. started: for a button what submits a run, as the method of an event.
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
        asked: gr.State,
        seen: gr.State,
        started: Callable[[gr.Button], Callable[..., Dependency]],
    ) -> None:
        self._shared, self._service, self._task = shared, shared.service, task
        self._inputs, self._parts, self._panel = inputs, parts, panel
        self._asked, self._seen = asked, seen
        self._actions, self._started = actions, started
        self._submission = Submission(shared, task)
        self._latest = Latest()

    def connect(self) -> Runs:
        """Register the events, once."""
        parts, session, actions = self._parts, self._shared.session, self._actions
        submitted = [
            self._started(actions.generate)(
                self.submit,
                inputs_kwargs={"session": session, **self._inputs},
                outputs=[session, self._inputs["seed"], parts.status, actions.stop],
                preprocess=False,
                **SILENT,
            )
        ]
        if many := actions.many:
            submitted.append(
                self._started(many.start)(
                    self.submit_each,
                    inputs_kwargs={"session": session, "lines": many.lines, **self._inputs},
                    outputs=[session, many.lines, actions.stop],
                    preprocess=False,
                    **SILENT,
                )
            )
        watching: dict[str, Any] = {
            "fn": self.watch,
            "inputs": [session, self._asked, parts.results, self._seen],
            "outputs": [
                *(parts.picture, *parts.film.parts, parts.status, parts.facts, parts.shelf),
                *(self._panel.run, self._panel.memory),
                *(parts.results, parts.shown, self._seen, actions.stop, actions.last),
            ],
            "trigger_mode": "multiple",
            **SILENT,
        }
        for button, handler in ((actions.stop, self.stop), (actions.last, self.finish)):
            button.click(handler, session, button, queue=False, **SILENT)
        self._panel.connect(self._inputs)
        connect_steering(self._shared, self._inputs, self._task)
        ended = [*(one.then(**watching) for one in submitted), self._asked.change(**watching)]
        return Runs(submitted, ended)

    async def submit(self, session: Any, **values: Any) -> dict[Component, Any]:
        """Hand the run to the service; returns at once."""
        session = self._shared.owners.session(session)
        try:
            request = self._submission.one(session["owner"], **values)
        except EngineError as error:
            warn(str(error))
            return {self._parts.status: markup.alert(str(error))}
        return {
            self._shared.session: session,
            self._inputs["seed"]: request.seed,
            self._actions.stop: gr.update(interactive=True),
        }

    async def submit_each(self, session: Any, lines: Any, **values: Any) -> dict[Component, Any]:
        """Hand a run to the service for each of many prompts; those that find no room stay."""
        session, many = self._shared.owners.session(session), self._actions.many
        assert many is not None, "its button was pressed"
        try:
            left, why = await asyncio.to_thread(
                self._submission.each, session["owner"], str(lines or ""), **values
            )
        except EngineError as error:
            warn(str(error))
            return {many.lines: gr.skip()}
        if why:
            warn(why)
        return {
            self._shared.session: session,
            many.lines: left,
            self._actions.stop: gr.update(interactive=True),
        }

    async def watch(
        self,
        session: Any,
        asked: list[str],
        results: list[Result],
        seen: tuple[str, ...],
        page: gr.Request,
    ) -> AsyncIterator[dict[Component, Any]]:
        """Show the tab's jobs, one after the other, until none is left; also after a reload."""
        owner = self._shared.owners.of(session)
        changes = self._watch(owner, asked, results, seen)
        async for changed in self._latest.of(str(page.session_hash), changes):
            yield changed

    async def _watch(
        self, owner: str, asked: list[str], results: list[Result], known: tuple[str, ...]
    ) -> AsyncIterator[dict[Component, Any]]:
        """As `watch`. asked: ids of the jobs that there were when the page was opened; known: of
        those that it has shown to their end."""
        view, results, seen = IDLE, list(results), list(known)
        last: dict[Component, Any] = {}
        unseen = jobs_of(self._service, owner, self._task, seen)
        if old := [job for job in unseen if job.ended and job.id in asked]:
            view, results = await self._catch_up(old, owner, results)
            seen += [job.id for job in old]
            last = self._restored(view, results)
        while jobs := jobs_of(self._service, owner, self._task, seen):
            job = jobs[0]
            before = [result for result in results if result.job != job.id]
            yield {**last, **self._parts.film.begin(self._first(job)), self._parts.facts: ""}
            last = {}
            async for view, changed in self._follow(job, owner, before):
                results = changed.get(self._parts.results, results)
                last = last | _copied(changed) if view.phase in ENDING else {}
                yield changed
            seen.append(job.id)
            if view.phase == "failed":
                warn(view.message)
        # what came last once more: Gradio's page may pass over an update if the next comes at once
        last |= {self._seen: tuple(seen), **self._idle()}
        if view is not IDLE:
            last = {**self._parts.shelve(results), **last}
            last |= {self._panel.run: hood.run(view), **await self._panel.look()}
        yield last

    async def _follow(
        self, job: JobInfo, owner: str, before: list[Result]
    ) -> AsyncIterator[tuple[View, dict[Component, Any]]]:
        """The views of one job, and what changes on the page with each."""
        parts, actions, record = self._parts, self._actions, IDLE.changes
        filled = bool(before)  # the shelf was, by the update before this one
        try:
            async for view in views(self._service.events(job.id, owner), self._first(job)):
                new = self._made(view) if view.phase == "saving" else []
                changed = parts.update(view, new, before)
                if filled and not new:  # what came in one moment may show this one alone
                    changed |= parts.shelve([*self._made(view), *before])
                filled = bool(new)
                # always: of a list that is in every event Gradio sends only what is new
                changed[parts.film.strip] = markup.film(view)
                if view.changes != record:
                    record = view.changes
                    changed[self._panel.run] = hood.run(view)
                if view.running:  # with each view, as one of them may be passed over
                    changed[actions.stop] = gr.update(interactive=True)
                    more = view.first + view.together < view.count
                    changed[actions.last] = gr.update(visible=more and view.phase != "queued")
                yield view, changed
        except JobNotFound:  # so many came after it that it was dropped meanwhile
            return

    async def _catch_up(
        self, jobs: list[JobInfo], owner: str, results: list[Result]
    ) -> tuple[View, list[Result]]:
        """The last of some jobs that ended as a view, and the pictures of all of them."""
        last = IDLE
        for job in jobs[-KEPT:]:
            try:
                shown = [
                    v async for v in views(self._service.events(job.id, owner), self._first(job))
                ]
            except JobNotFound:
                continue
            results = [*self._made(shown[-1]), *results]
            worth = shown[-1].phase == "done" or bool(shown[-1].unsaved)
            last = shown[-1] if worth else IDLE
        return last, results

    def _restored(self, view: View, results: list[Result]) -> dict[Component, Any]:
        """Updates that show what ended before the page was opened; a failure is not shown again,
        unless there is a picture that could not be saved."""
        parts = self._parts
        changed: dict[Component, Any] = {parts.status: markup.status(view)}
        if results:
            changed |= parts.fill(results, view.first)
        if view.unsaved:
            changed |= parts.update(view, [], [])
        if view.phase == "done":
            changed |= {parts.film.strip: markup.film(view), **parts.film.finish(view)}
        return changed | {self._panel.run: hood.run(view)}

    def _first(self, job: JobInfo) -> View:
        request = job.request
        return View(
            phase="queued",
            message="Waiting for the engine",
            count=request.count,
            together=min(request.count, request.batch_size),
            prompt=request.prompt,
            settings={name: getattr(request, name) for name in LIVE},
        )

    def _made(self, view: View) -> list[Result]:
        return [Result.of(saved, view, self._shared.route) for saved in view.saved]

    def _idle(self) -> dict[Component, Any]:
        return {
            self._actions.stop: gr.update(interactive=False),
            self._actions.last: gr.update(visible=False),
        }

    def stop(self, session: Any) -> dict[str, Any]:
        """Ask the service to end the job that the tab shows before its next step."""
        owner = self._shared.owners.of(session)
        if job := current(self._service, owner, self._task):
            self._service.cancel(job.id, owner)
        return gr.update(interactive=False)

    def finish(self, session: Any) -> dict[str, Any]:
        """Ask it to end the job with the pictures in hand."""
        owner = self._shared.owners.of(session)
        if job := current(self._service, owner, self._task):
            self._service.finish(job.id, owner)
        return gr.update(visible=False)


def _copied(changed: dict[Component, Any]) -> dict[Component, Any]:
    """Updates that can be yielded again: Gradio takes the values out of those that it was given."""
    return {
        component: dict(update) if isinstance(update, dict) else update
        for component, update in changed.items()
    }
