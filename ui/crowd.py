"""Room for many visitors, where Gradio's own bookkeeping has none.

It is made for pages of few components and few people: each visitor costs a copy of every
component's configuration (0.8 MB and more than 50 ms here), every event a table of all the latest
events, every answer a new object for each component that it could change, and a visitor who waits
is forgotten once 2,000 others have come.
"""

import copy
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import LRUCache, deep_hash

__all__ = ["AT_ONCE", "SESSIONS", "Boxes", "Sessions", "make_room"]

AT_ONCE = 1_000
"""Events that are answered at once. A page that watches is one, as long as it does."""
SHOWN = ("interactive", "visible", "alt_text", "label", "selected_index")
"""Properties that are kept as they are given, and do not matter to what a value means."""
SESSIONS = 4_000
"""Visitors who are remembered: more than can wait in the queue or be answered at once."""


class Sessions(StateHolder):
    """The states of the visitors, without a copy of the page for each: only what a link to a state
    of the page would show is lost, and there are no such links here."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _Session(self.blocks)
        return super().__getitem__(session_id)


class _Session(SessionState):
    def __init__(self, page: gr.Blocks) -> None:
        bare: Any = SimpleNamespace(default_config=page.default_config, blocks=())
        super().__init__(bare)
        self.blocks_config.config_for_block = _nothing  # type: ignore[assignment]


def _nothing(*_: Any) -> dict[str, Any]:
    return {}


class Boxes(LRUCache[str, Any]):
    """The messages for each visitor, of whom the one that was not looked at for the longest time is
    forgotten: Gradio's own forgets the one that came first, who may wait, and then stops for good.
    """

    def __contains__(self, key: Any) -> bool:
        if found := super().__contains__(key):
            self.move_to_end(key)
        return found

    def __getitem__(self, key: str) -> Any:
        self.move_to_end(key)
        return super().__getitem__(key)

    def __delitem__(self, key: Any) -> None:
        if key in self:  # two streams of one visitor may end in one moment
            super().__delitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, default) if key in self else default


def answer_lightly(page: gr.Blocks) -> None:
    """Have an answer make no new object where it says nothing, or only how a component is shown.

    An answer is then a dictionary by components, as most are here; an empty one says nothing.
    """
    whole = page.postprocess_data

    async def answered(event: BlockFunction, answer: Any, state: SessionState | None) -> list[Any]:
        by_component = isinstance(answer, dict) and all(isinstance(key, Block) for key in answer)
        if state is None or not by_component or not answer.keys() <= {*event.outputs}:
            return await whole(event, answer, state)
        shown = {c: _show(c, value, state) for c, value in answer.items() if _is_light(c, value)}
        values = {c: value for c, value in answer.items() if c not in shown}
        values |= {c: answer[c]["value"] for c in shown if "value" in answer[c]}
        fewer = copy.copy(event)
        fewer.outputs = [component for component in event.outputs if component in values]
        made = await whole(fewer, values, state) if values else []
        told = dict(zip(fewer.outputs, made, strict=True))
        for component, update in shown.items():
            told[component] = update | ({"value": told[component]} if component in told else {})
        return [told[c] if c in told else _skipped(c) for c in event.outputs]

    page.postprocess_data = answered  # type: ignore[method-assign, assignment]


def _is_light(component: Block, value: Any) -> bool:
    """Whether it is an update that says how a component is shown, or nothing."""
    update = isinstance(value, dict) and value.get("__type__") == "update"
    return update and not component.stateful and value.keys() <= {"__type__", "value", *SHOWN}


def _show(component: Block, update: Mapping[str, Any], state: SessionState) -> dict[str, Any]:
    """Note in a session how a component is shown; returns the update without its value."""
    properties = {name: update[name] for name in SHOWN if update.get(name) is not None}
    if properties:
        made = copy.copy(state.get(component._id, component))
        made._constructor_args = [{**made.constructor_args, **properties}]
        vars(made).update(properties)
        state[component._id] = made
    return {**properties, "__type__": "update"}


def _skipped(component: Block) -> Any:
    """What Gradio sends of a component that is to stay as it is."""
    return None if component.stateful else gr.skip()


def find_what_is_watched(page: gr.Blocks) -> None:
    """Have Gradio know which states start an event when they change, without a search through all
    events for each."""
    watched = {c for event in page.fns.values() for c, kind in event.targets if kind == "change"}

    def tracked(event: BlockFunction, state: SessionState | None) -> tuple[list[int], list[Any]]:
        ids = [one._id for one in event.outputs if one.stateful and one._id in watched]
        return (ids, [deep_hash(state[i]) for i in ids]) if state else ([], [])

    page.get_state_ids_to_track = tracked  # type: ignore[method-assign, assignment]


def make_room(page: gr.Blocks) -> None:
    """Have a page, whose queue is there, take a crowd. Its `launch` is to be told `AT_ONCE`."""
    answer_lightly(page)
    find_what_is_watched(page)
    # it looks for matplotlib twice an event
    gr.utils.MatplotlibBackendMananger = nullcontext  # type: ignore[misc, assignment]
    queue = page._queue
    queue.pending_messages_per_session = Boxes(SESSIONS)
    # nobody looks at these tables
    queue.ANALYTICS_MAX_EVENTS, queue.ANAYLTICS_CACHE_FREQUENCY = 1, sys.maxsize

    async def begin() -> None:
        sessions = Sessions()
        sessions.set_blocks(page)
        page.app.state_holder = sessions
        page.limiter = None  # `max_threads` counts events; of threads the usual 40 are enough

    page.extra_startup_events.append(begin)
