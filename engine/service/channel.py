"""A two-way stream of small picklable messages over a socket pair."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["Channel", "ChannelClosed"]


class ChannelClosed(Exception):
    """The other end is gone."""


class Channel:
    """One end. Any thread may send or close; one thread iterates over what arrives."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._connection = Connection(os.dup(end.fileno()))
        self._sending = threading.Lock()

    def send(self, message: Any) -> None:
        """Raises ChannelClosed when nobody can receive it any more."""
        try:
            with self._sending:
                self._connection.send(message)
        except OSError as error:
            raise ChannelClosed(str(error)) from error

    def __iter__(self) -> Iterator[Any]:
        """Messages in order, until either end closes or the other process dies."""
        try:
            # OSError: the other end died within a message
            with suppress(EOFError, OSError):
                while True:
                    yield self._connection.recv()
        finally:
            with self._sending:
                self._connection.close()
                self._socket.close()

    def close(self) -> None:
        """End the stream for both sides, waking whoever waits for a message."""
        # Closing the descriptor alone would leave a reader of ours asleep for ever.
        with suppress(OSError):  # the other end was first
            self._socket.shutdown(socket.SHUT_RDWR)
