"""Where pictures lie, finished ones and those that runs begin with, and how they get there whole
or not at all."""

import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Collection
from pathlib import Path

from engine.errors import EngineError, PictureError, RequestError
from engine.pictures import open_picture
from engine.pipelines.request import NAME
from engine.service.disk import write_whole
from engine.service.index import Index, Kept, owner_folder

__all__ = ["History"]

LARGEST = 32 * 2**20
"""Bytes of a picture that a run may begin with."""

LATELY = 7 * 24 * 3600
"""Seconds for which a given picture is kept though no run began with it: one may be about to."""

AT_ONCE = 1000
"""Pictures that are given up at once, so that a page can say which."""

log = logging.getLogger(__name__)


class History:
    """The folder `outputs`: <owner's hash>/<date>/<job>-<index>.png, and beside the dates the
    folder `inputs`, where a picture is named by the SHA-256 of its file.

    index: of the finished ones, and what is done with them. quota: bytes that those of an owner
    should take at most, 0 for no limit: more are kept, and are offered to be given up.
    """

    def __init__(self, outputs: Path, quota: int = 0) -> None:
        self.outputs, self.quota = Path(outputs), quota
        self.index = Index(outputs)

    def match(self) -> None:
        """Bring the index in line with the files. Takes a while for many."""
        try:
            self.index.match()
        except (OSError, sqlite3.Error) as error:
            log.error("The index of the pictures could not be brought up to date", exc_info=error)

    def save(self, png: bytes, owner: str, job: str, index: int) -> Path:
        """Write `png` so that it survives a crash of the machine once this returns.

        Raises EngineError where that cannot be; then no file, whole or partial, is left behind.
        """
        folder = self.outputs / owner_folder(owner) / time.strftime("%Y-%m-%d")
        path = self._write(folder / f"{job}-{index}.png", png)
        try:
            self.index.note(path, owner)
        except (OSError, sqlite3.Error) as error:  # the next start enters it
            log.error("The index of the pictures could not be written", exc_info=error)
        return path

    def surplus(self, owner: str) -> list[Kept]:
        """What an owner would have to give up to be within the quota, the first of it."""
        return self.index.spare(owner, self.quota, AT_ONCE) if self.quota else []

    def clean(self, owner: str, ids: Collection[str]) -> None:
        """Give up for good those of `ids` that `surplus` still names, and then the pictures that no
        run of this owner that is left began with, but for those given lately. Raises OSError,
        sqlite3.Error."""
        spare = [kept.id for kept in self.surplus(owner) if kept.id in ids]
        self.index.erase(owner, spare, trashed_only=False)
        used = self.index.given(owner)
        folder = self._input("", owner)
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in used and path.stat().st_mtime < time.time() - LATELY:
                path.unlink(missing_ok=True)

    def take(self, data: bytes, owner: str) -> str:
        """As Service.take."""
        if len(data) > LARGEST:
            raise PictureError(
                f"the picture has {len(data):,} bytes, at most {LARGEST:,} are taken."
            )
        open_picture(data)
        name = hashlib.sha256(data).hexdigest()
        path = self._input(name, owner)
        if path.is_file():
            os.utime(path)  # given anew
        else:
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
            write_whole(path, data)
            return path
        except OSError as error:
            log.error("A picture could not be saved", exc_info=error)
            raise EngineError(
                f"The picture could not be saved in {self.outputs}: "
                f"{error.strerror or error}. Make room there or start with another --outputs "
                "folder, then generate again."
            ) from error
