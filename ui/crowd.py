"""Room for many visitors, where Gradio's own bookkeeping has none.

It is made for pages of few components and few people: each visitor costs a copy of every
component's configuration (0.8 MB and more than 50 ms here), every event a table of all the latest
events, and a visitor who waits is forgotten once 2,000 others have come.
"""

import sys
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import LRUCache

__all__ = ["AT_ONCE", "SESSIONS", "Boxes", "Sessions", "make_room"]

AT_ONCE = 1_000
"""Events that are answered at once. A page that watches is one, as long as it does."""
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


def make_room(page: gr.Blocks) -> None:
    """Have a page, whose queue is there, take a crowd. Its `launch` is to be told `AT_ONCE`."""
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
