"""Who has a page open."""

import threading
from collections.abc import Callable

__all__ = ["Presence"]


class Presence:
    """Notices that an owner's last page was closed.

    on_gone: called, in a thread of its own, with an owner who has had no page open for `grace`
    seconds, so that a reload is none, if the last one was entered with `matters`.
    """

    grace = 10.0
    most_owners = 1_000
    """Whose pages are known, at a time; of others nothing is noticed."""
    most_pages = 64
    """Of one owner, likewise."""

    def __init__(self, on_gone: Callable[[str], None]) -> None:
        self._on_gone = on_gone
        self._lock = threading.Lock()
        self._pages: dict[str, set[str]] = {}
        self._timers: dict[str, threading.Timer] = {}

    def enter(self, owner: str, page: str, matters: bool) -> None:
        """A page of this owner is open. matters: whether it does that all are closed."""
        with self._lock:
            if timer := self._timers.pop(owner, None):
                timer.cancel()
            if not matters:
                self._pages.pop(owner, None)
            elif owner in self._pages or len(self._pages) + len(self._timers) < self.most_owners:
                pages = self._pages.setdefault(owner, set())
                if len(pages) < self.most_pages:
                    pages.add(page)

    def leave(self, owner: str, page: str) -> None:
        """It was closed; may be said twice."""
        with self._lock:
            pages = self._pages.get(owner, set())
            if page not in pages:
                return
            pages.remove(page)
            if not pages:
                del self._pages[owner]
                timer = self._timers[owner] = threading.Timer(self.grace, self._gone, [owner])
                timer.daemon = True
                timer.start()

    def _gone(self, owner: str) -> None:
        with self._lock:
            if self._timers.pop(owner, None) is None:  # entered again meanwhile
                return
        self._on_gone(owner)
