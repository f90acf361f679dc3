"""Coroutines that sleep until there is something new."""

import asyncio
from contextlib import suppress

__all__ = ["Watcher", "Watchers"]

Watcher = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class Watchers:
    """Those who wait for one thing, each in an event loop of its own. Not thread-safe."""

    def __init__(self) -> None:
        self._all: set[Watcher] = set()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, wake: asyncio.Event) -> Watcher:
        """Have `wake` set, in the loop that runs now, at everything new."""
        watcher = (asyncio.get_running_loop(), wake)
        self._all.add(watcher)
        return watcher

    def remove(self, watcher: Watcher) -> None:
        self._all.discard(watcher)

    def wake(self) -> None:
        for loop, wake in self._all:
            with suppress(RuntimeError):  # that watcher's loop is closed
                loop.call_soon_threadsafe(wake.set)
