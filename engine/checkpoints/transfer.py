"""One file from the Hub to the disk: what a cut left is gone on with, and nothing passes unchecked.

huggingface_hub itself begins a file anew after a cut (2.4.0), and writes ten megabytes at a time,
during which nothing can be cancelled.
"""

import errno
import hashlib
import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from httpx2 import RemoteProtocolError, Response, TransportError
from huggingface_hub import get_session
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import hf_raise_for_status

from engine.errors import CheckpointError

__all__ = ["RemoteFile", "Transfer", "TransferStopped", "partial"]

CHUNK = 2**20


class TransferStopped(Exception):
    """Somebody asked for it."""


@dataclass(frozen=True)
class RemoteFile:
    """A file as the Hub announces it.

    size: in bytes. oid: SHA-256 of a large file, else git's SHA-1 of a blob; huggingface_hub calls
    the file by it in its cache.
    """

    path: str
    size: int
    oid: str
    large: bool

    def digest(self) -> "hashlib._Hash":
        return hashlib.sha256() if self.large else hashlib.sha1(b"blob %d\0" % self.size)


def partial(path: Path) -> Path:
    """Where the beginning of a file lies while the rest is fetched."""
    return path.with_name(f"{path.name}.incomplete")


class Transfer:
    """Fetches one file after another. on_bytes is told how many have come, less than 0 for those
    that have to come again.

    `stop` may be called from any thread.
    """

    patience = 10.0
    """Seconds without a byte after which the connection counts as broken."""
    pause = 1.0
    """Seconds before the next attempt."""
    attempts = 5
    """In a row that brought nothing."""

    def __init__(self, on_bytes: Callable[[int], None] = lambda arrived: None) -> None:
        self._on_bytes = on_bytes
        self._stopped = threading.Event()
        self._response: Response | None = None

    def stop(self) -> None:
        """End at once; what came of the file in hand is kept."""
        self._stopped.set()
        if response := self._response:
            with suppress(OSError, AttributeError):
                # wakes who waits for bytes; the plain call, as one of TLS would wait for the peer
                stream = response.extensions["network_stream"].get_extra_info("socket")
                socket.socket.shutdown(stream, socket.SHUT_RDWR)

    def wait(self, seconds: float) -> None:
        """Raises TransferStopped."""
        if self._stopped.wait(seconds):
            raise TransferStopped

    def fetch(self, url: str, headers: Mapping[str, str], file: RemoteFile, path: Path) -> None:
        """Have the whole file at `path`, going on from its `partial` if there is one.

        Raises TransferStopped, CheckpointError for a file that is not the one announced, OSError,
        and HTTPError when the Hub refuses or cannot be reached any more. Then the partial stays,
        but for a full disk and a wrong file.
        """
        part = partial(path)
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._fill(url, headers, file, part)
        except OSError as error:
            if error.errno == errno.ENOSPC:  # others need the room
                part.unlink(missing_ok=True)
            raise
        self._check(file, part)
        os.replace(part, path)

    def _fill(self, url: str, headers: Mapping[str, str], file: RemoteFile, part: Path) -> None:
        part.touch()
        left = self.attempts
        while (before := part.stat().st_size) < file.size:
            try:
                self._stream(url, headers, file, part)
            except (TransportError, HfHubHTTPError) as error:
                self.wait(0)
                left = self.attempts if part.stat().st_size > before else left - 1
                if not left or not _passing(error):
                    raise
                self.wait(self.pause)

    def _stream(self, url: str, headers: Mapping[str, str], file: RemoteFile, part: Path) -> None:
        """Append what one connection brings."""
        begun = part.stat().st_size
        asked = {**headers, "Accept-Encoding": "identity"}
        if begun:
            asked["Range"] = f"bytes={begun}-"
        client = get_session()
        with client.stream("GET", url, headers=asked, timeout=self.patience) as response:
            hf_raise_for_status(response)
            if begun and response.status_code != 206:  # the whole file comes
                self._on_bytes(-begun)
                begun = 0
            self._response = response
            try:
                self.wait(0)  # `stop` may have come too early to see the response
                with part.open("ab" if begun else "wb") as out:
                    for chunk in response.iter_raw():
                        self.wait(0)
                        begun += len(chunk)
                        if begun > file.size:
                            break
                        out.write(chunk)
                        self._on_bytes(len(chunk))
            finally:
                self._response = None
        self.wait(0)
        if begun < file.size:
            raise RemoteProtocolError("the connection ended early")
        if begun > file.size:
            _refuse(file, part, "more bytes came")

    def _check(self, file: RemoteFile, part: Path) -> None:
        """Read it once more, whole; one that is wrong is removed."""
        digest = file.digest()
        with part.open("rb") as opened:
            os.fsync(opened.fileno())
            while chunk := opened.read(CHUNK):
                self.wait(0)
                digest.update(chunk)
        if part.stat().st_size != file.size:
            _refuse(file, part, f"it has {part.stat().st_size:,} bytes")
        if digest.hexdigest() != file.oid:
            _refuse(file, part, f"its hash is {digest.hexdigest()}")


def _refuse(file: RemoteFile, part: Path, fault: str) -> None:
    part.unlink(missing_ok=True)
    raise CheckpointError(
        f"{file.path} is not what the Hub announced ({file.size:,} bytes, hash {file.oid}): "
        f"{fault}. It was removed: run the download again; if that does not help, a proxy or "
        "mirror on the way alters files."
    )


def _passing(error: Exception) -> bool:
    """Whether the next attempt may do better."""
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return status in (408, 429) or status >= 500
    return True
