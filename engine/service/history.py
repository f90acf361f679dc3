"""Where pictures lie, finished ones and those that runs begin with, and how they get there whole
or not at all."""

import contextlib
import hashlib
import logging
import os
import secrets
import time
from pathlib import Path

from engine.errors import EngineError, PictureError, RequestError
from engine.pictures import open_picture
from engine.pipelines.request import NAME

__all__ = ["History", "owner_folder"]

LARGEST = 32 * 2**20
"""Bytes of a picture that a run may begin with."""

log = logging.getLogger(__name__)


def owner_folder(owner: str) -> str:
    """Folder name for an owner: a hash, since the owner's string comes from outside."""
    return hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class History:
    """The folder `outputs`: <owner's hash>/<date>/<job>-<index>.png, and beside the dates the
    folder `inputs`, where a picture is named by the SHA-256 of its file."""

    def __init__(self, outputs: Path) -> None:
        self.outputs = Path(outputs)

    def save(self, png: bytes, owner: str, job: str, index: int) -> Path:
        """Write `png` so that it survives a crash of the machine once this returns.

        Raises EngineError where that cannot be; then no file, whole or partial, is left behind.
        """
        folder = self.outputs / owner_folder(owner) / time.strftime("%Y-%m-%d")
        return self._write(folder / f"{job}-{index}.png", png)

    def take(self, data: bytes, owner: str) -> str:
        """As Service.take."""
        if len(data) > LARGEST:
            raise PictureError(
                f"the picture has {len(data):,} bytes, at most {LARGEST:,} are taken."
            )
        open_picture(data)
        name = hashlib.sha256(data).hexdigest()
        path = self._input(name, owner)
        if not path.is_file():
            self._write(path, data)
        return name

    def given(self, name: str, owner: str) -> Path:
        """As Service.given."""
        path = self._input(name, owner)
        if not NAME.fullmatch(name) or not path.is_file():
            raise RequestError("The picture is not here (any more): choose it again.")
        return path

    def _input(self, name: str, owner: str) -> Path:
        return self.outputs / owner_folder(owner) / "inputs" / name

    def _write(self, path: Path, data: bytes) -> Path:
        try:
            return _write(path, data)
        except OSError as error:
            log.error("A picture could not be saved", exc_info=error)
            raise EngineError(
                f"The picture could not be saved in {self.outputs}: "
                f"{error.strerror or error}. Make room there or start with another --outputs "
                "folder, then generate again."
            ) from error


def _write(path: Path, data: bytes) -> Path:
    _make_folder(path.parent)
    partial = path.with_suffix(f".{secrets.token_hex(4)}.part")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except BaseException:
        for left in (partial, path):
            with contextlib.suppress(OSError):
                left.unlink()
        raise
    return path


def _make_folder(folder: Path) -> None:
    """mkdir -p in which every new name is on disk before the next."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders, and orders renames itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
