"""Files that are on disk whole, and stay there if the machine crashes, or are not there at all."""

import contextlib
import os
import secrets
from pathlib import Path

__all__ = ["PARTIAL", "append_line", "make_folder", "write_whole"]

PARTIAL = ".part"
"""Ends the name of a file that is being written; one that a crash left behind is of no use."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it survives a crash of the machine once this returns.

    Raises OSError; then what was at `path` before is there still, and nothing else.
    """
    make_folder(path.parent)
    partial = path.with_suffix(f".{secrets.token_hex(4)}{PARTIAL}")
    written = [partial]
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new = not path.exists()
        os.replace(partial, path)
        written = [path] if new else []
        _sync_folder(path.parent)
    except BaseException:
        for left in written:
            with contextlib.suppress(OSError):
                left.unlink()
        raise


def append_line(path: Path, line: str) -> None:
    """Append a line, on disk once this returns, to a file that may end in the middle of one: an
    empty one goes before it. Raises OSError."""
    new = not path.exists()
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
        file.flush()
        os.fsync(file.fileno())
    if new:
        _sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """mkdir -p in which every new name is on disk before the next. Raises OSError."""
    if not folder.is_dir():
        make_folder(folder.parent)
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
