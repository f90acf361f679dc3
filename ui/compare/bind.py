"""Ties the tab "Compare" to the service."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import EngineError
from engine.service import Service
from ui import markup
from ui.compare.board import Board
from ui.compare.controls import lines_of
from ui.compare.keep import encode_grid
from ui.compare.markup import EMPTY, pieces, status, totals
from ui.compare.plan import Plan
from ui.compare.runs import paced, stop, submit
from ui.shared import SILENT, Inputs, Runs, Shared, warn
from ui.stream import IDLE
from ui.tabs.tab import Tab

__all__ = ["Comparing", "Parts"]

INTERVAL = 0.15
"""Seconds between updates of the page: nothing holds a sender back when the page is slower."""

DOWNLOAD = "() => document.querySelector('#tab-compare .facts a')?.click()"


@dataclass(frozen=True)
class Parts:
    """Components of the stage. board: the Board that the page shows, or None.

    going: whether the latest press of Compare was taken.
    """

    grid: gr.HTML
    status: gr.HTML
    totals: gr.HTML
    save: gr.Button
    board: gr.State
    going: gr.State


class Comparing:
    """The handlers of the tab, on its components.

    inputs: all that a grid is made of, by name. actions: start and stop. run: what the browser
    keeps of the grid.
    target: the tab that takes over a cell's settings.
    """

    def __init__(
        self,
        shared: Shared,
        *,
        inputs: Inputs,
        parts: Parts,
        actions: tuple[gr.Button, gr.Button],
        run: gr.BrowserState,
        target: Tab,
    ) -> None:
        self._shared, self._inputs, self._parts, self._run = shared, inputs, parts, run
        self._start, self._stop = actions
        self._target = target

    @property
    def _service(self) -> Service:
        return self._shared.service

    def connect(self) -> Runs:
        """Register the events, once; a run is a grid."""
        parts, session, run = self._parts, self._shared.session, self._run
        shown = [parts.grid, parts.status, parts.totals]
        buttons = [self._start, self._stop, parts.save]
        submitted = self._start.click(
            self.submit,
            inputs_kwargs={"session": session, **self._inputs},
            outputs=[session, run, parts.going, parts.status, *buttons],
            preprocess=False,
            **SILENT,
        )
        watching: dict[str, Any] = {
            "fn": self.watch,
            "inputs": [session, run, parts.going],
            "outputs": [*shown, parts.board, parts.going, run, *buttons],
            **SILENT,
        }
        self._stop.click(self.stop, [session, run], self._stop, queue=False, **SILENT)
        parts.grid.refer(self.refer, parts.board, [*shown, run], **SILENT)
        used = parts.grid.use(self.use, parts.board, self._target.brought, **SILENT)
        self._target.presets.keep_after(used)
        saved = parts.save.click(self.save, [session, parts.board], parts.totals, **SILENT)
        saved.then(None, js=DOWNLOAD, api_visibility="private")
        ended = [submitted.then(**watching), self._shared.opened.then(**watching)]
        return Runs([submitted], ended)

    async def submit(self, session: Any, **values: Any) -> dict[Component, Any]:
        """Put all cells in line; returns at once."""
        session = self._shared.owners.session(session)
        try:
            lines = lines_of(values)  # leaves those of a request
            board = submit(self._service, Plan.of(lines, **values), session["owner"])
        except EngineError as error:
            warn(str(error))
            return {
                self._parts.status: markup.alert(str(error)),
                self._parts.going: False,
            }
        return {
            self._shared.session: session,
            self._run: board.to_dict(),
            self._parts.going: True,
            self._parts.status: status(board),
            self._start: gr.update(interactive=False),
            self._stop: gr.update(interactive=True),
        }

    async def watch(
        self, session: Any, kept: Any, going: bool
    ) -> AsyncIterator[dict[Component, Any]]:
        """Show the grid until it is full; also finds it again after a reload."""
        board = Board.from_dict(kept) if going else None
        if board is None:
            yield {self._parts.going: True}
            return
        owner = self._shared.owners.of(session)
        yield {
            self._parts.board: board,
            self._start: gr.update(interactive=False),
            self._stop: gr.update(interactive=True),
            self._parts.save: gr.update(visible=False),
        }
        async for _ in paced(board.follow(self._service, owner), INTERVAL):
            if board.known:
                yield await self._show(board)
        yield {
            self._start: gr.update(interactive=True),
            self._stop: gr.update(interactive=False),
            self._parts.save: gr.update(visible=bool(board.paths)),
            **({} if board.known else self._nothing()),
            self._run: board.to_dict() if board.paths else {},
        }

    async def _show(self, board: Board) -> dict[Component, Any]:
        await board.measure()
        return {
            self._parts.grid: pieces(board, self._shared.route),
            self._parts.status: status(board),
            self._parts.totals: totals(board),
        }

    def _nothing(self) -> dict[Component, Any]:
        """What is shown when the service has forgotten all runs of the grid."""
        return {
            self._parts.grid: EMPTY,
            self._parts.status: markup.status(IDLE),
            self._parts.board: None,
        }

    def stop(self, session: Any, kept: Any) -> dict[Component, Any]:
        """End all runs of the grid."""
        if board := Board.from_dict(kept):
            owner = self._shared.owners.of(session)
            stop(self._service, [cell.job for cell in board.cells], owner)
        return {self._stop: gr.update(interactive=False)}

    async def refer(self, board: Board | None, event: gr.EventData) -> dict[Component, Any]:
        """Make another finished cell the reference."""
        if board is None or event.cell not in board.paths:
            return {self._run: gr.skip()}
        board.reference = event.cell
        return {**await self._show(board), self._run: board.to_dict()}

    def use(self, board: Board | None, event: gr.EventData) -> dict[Component, Any]:
        """Take the settings of a cell over to the other tab."""
        if board is None or event.cell not in range(len(board.cells)):
            return {self._target.inputs["seed"]: gr.skip()}
        values = board.plan.requests[event.cell].to_dict() | {"random_seed": False, "styles": []}
        return self._target.bring(values)

    async def save(self, session: Any, board: Board | None) -> dict[Component, Any]:
        """Keep the grid as a PNG, and offer it."""
        if board is None or not board.paths:
            return {self._parts.totals: gr.skip()}
        owner = self._shared.owners.of(session)
        try:
            png = await asyncio.to_thread(encode_grid, board)
            path = await asyncio.to_thread(self._service.keep, png, owner)
        except EngineError as error:
            warn(str(error))
        except OSError:
            warn("A picture of the grid cannot be read any more: compare again, then save.")
        else:
            return {self._parts.totals: totals(board, self._shared.route.address(path))}
        return {self._parts.totals: totals(board)}
