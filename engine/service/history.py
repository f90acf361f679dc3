"""Where pictures lie, finished ones and those that runs begin with, and how they get there whole
or not at all."""

import contextlib
import hashlib
import os
import secrets
import time
from pathlib import Path

__all__ = ["History", "owner_folder"]


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

        Raises OSError; then no file, whole or partial, is left behind.
        """
        folder = self.outputs / owner_folder(owner) / time.strftime("%Y-%m-%d")
        return _write(folder / f"{job}-{index}.png", png)

    def take(self, data: bytes, owner: str) -> str:
        """Keep a picture that runs are to begin with, once, and return its name; as `save`."""
        name = hashlib.sha256(data).hexdigest()
        if not self.given(name, owner).is_file():
            _write(self.given(name, owner), data)
        return name

    def given(self, name: str, owner: str) -> Path:
        """Where the picture of a name lies that `take` returned to this owner."""
        return self.outputs / owner_folder(owner) / "inputs" / name


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
