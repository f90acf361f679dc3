"""Who has a page open."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

__all__ = ["Presence"]


class Presence:
    """Notices that an owner's last page was closed.

    on_gone: called, in a thread of its own, with an owner who has had no page open for `grace`
    seconds, so that a reload is none, if the last one was entered with `matters`.
    """

    grace = 10.0
    lifetime = 300.0
    """Seconds after which a page that has not been heard of is none any more."""
    most_owners = 1_000
    """Whose pages are known, at a time: those who were heard of last."""
    most_pages = 64
    """Of one owner, likewise."""

    def __init__(self, on_gone: Callable[[str], None]) -> None:
        self._on_gone = on_gone
        self._lock = threading.Lock()
        self._pages: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()
        self._timers: dict[str, threading.Timer] = {}

    def enter(self, owner: str, page: str, matters: bool) -> None:
        """A page of this owner is open, or still is. matters: whether it does that all are closed.

        To be said again now and then: a page that crashed does not say that it is closed.
        """
        with self._lock:
            if timer := self._timers.pop(owner, None):
                timer.cancel()
            pages = self._pages.pop(owner, OrderedDict())
            if not matters:
                return
            pages.pop(page, None)
            pages[page] = time.monotonic()
            self._pages[owner] = pages
            _shorten(pages, self.most_pages)
            _shorten(self._pages, self.most_owners)

    def leave(self, owner: str, page: str) -> None:
        """It was closed; may be said twice."""
        with self._lock:
            pages = self._pages.get(owner)
            if pages is None or pages.pop(page, None) is None:
                return
            oldest = time.monotonic() - self.lifetime
            if any(heard > oldest for heard in pages.values()):
                return
            del self._pages[owner]
            if len(self._timers) < self.most_owners:
                timer = self._timers[owner] = threading.Timer(self.grace, self._gone, [owner])
                timer.daemon = True
                timer.start()

    def _gone(self, owner: str) -> None:
        with self._lock:
            if self._timers.pop(owner, None) is None:  # entered again meanwhile
                return
        self._on_gone(owner)


def _shorten(known: OrderedDict[str, Any], most: int) -> None:
    """Forget the oldest of more than so many."""
    while len(known) > most:
        known.popitem(last=False)
