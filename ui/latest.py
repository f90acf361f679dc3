"""What a page watches, once at a time."""

from collections.abc import AsyncIterator
from itertools import count
from typing import TypeVar

__all__ = ["Latest"]

T = TypeVar("T")


class Latest:
    """Lets the latest of a page's watchers alone speak: an earlier one may belong to a connection
    that was lost, or to a run before."""

    def __init__(self) -> None:
        self._turns = count()
        self._latest: dict[str, int] = {}  # page -> its latest watcher

    async def of(self, page: str, updates: AsyncIterator[T]) -> AsyncIterator[T]:
        """The updates until they end, or until `of` is called again for this page."""
        turn = self._latest[page] = next(self._turns)
        try:
            async for update in updates:
                if self._latest.get(page) != turn:
                    return
                yield update
        finally:
            if self._latest.get(page) == turn:
                del self._latest[page]
