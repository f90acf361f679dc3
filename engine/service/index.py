"""Which pictures each owner has: a table over the files, which can be made anew from them.

The files are what counts. An owner and the trash are folders, favourites a journal beside them, and
all else stands in the PNG: `Index.match` brings the table in line with them at every start, and

    python -m engine.service.index outputs

makes it from nothing.
"""

import argparse
import contextlib
import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.pipelines.tasks import PICTURES
from engine.service.disk import PARTIAL, append_line, make_folder
from engine.service.metadata import read_request

__all__ = ["FILE", "TRASH", "Index", "Kept", "PictureNotFound", "Wanted", "owner_folder"]

log = logging.getLogger(__name__)

FILE = "index.sqlite"
VERSION = 1
"""Of the table: to be raised with each change of `Kept`. One of another version is made anew."""
TRASH = "trash"
FAVOURITES = "favourites"
DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
"""Folders of pictures, as glob has them."""
STALE = 3600
"""Seconds after which a file that was never written to its end is deleted."""


def owner_folder(owner: str) -> str:
    """Folder name for an owner: a hash, since the owner's string comes from outside."""
    return hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class PictureNotFound(EngineError):
    """This owner has no picture of that name."""


@dataclass(frozen=True)
class Kept:
    """A picture on disk.

    id: its name for its owner. created: unix time in seconds. size: bytes of its file. scheduler:
    as asked for, "" for the model's own. Of a grid, and of a file without a record, only the first
    six say something.
    """

    id: str
    created: float
    trashed: bool = False
    favourite: bool = False
    day: str = ""
    size: int = 0
    task: str = ""
    model: str = ""
    scheduler: str = ""
    prompt: str = ""
    seed: int = 0
    width: int = 0
    height: int = 0


COLUMNS = tuple(field.name for field in fields(Kept))
TEXTS = ("task", "model", "scheduler", "prompt")
NUMBERS = ("seed", "width", "height")
"""Those that a record of a run says."""
SELECT = f"SELECT {', '.join(COLUMNS)} FROM pictures"
ENTER = (
    f"INSERT OR REPLACE INTO pictures (owner, {', '.join(COLUMNS)}) "
    f"VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"
)
FORGET = "DELETE FROM pictures WHERE owner = ? AND id = ?"
MARK = "UPDATE pictures SET favourite = ? WHERE owner = ? AND id = ?"
MOVE = "UPDATE pictures SET trashed = ? WHERE owner = ? AND id = ?"


@dataclass(frozen=True)
class Wanted:
    """Which of an owner's pictures. words: all of which the prompt holds, in any case. since,
    until: unix time in seconds, until not included. None and "": any."""

    words: str = ""
    task: str = ""
    model: str = ""
    scheduler: str | None = None
    since: float | None = None
    until: float | None = None
    favourite: bool = False
    trashed: bool = False

    def clauses(self) -> Iterator[tuple[str, Any]]:
        """SQL conditions, each with its value."""
        yield "trashed = ?", self.trashed
        if self.favourite:
            yield "favourite = ?", True
        for name in ("task", "model"):
            if value := getattr(self, name):
                yield f"{name} = ?", value
        if self.scheduler is not None:
            yield "scheduler = ?", self.scheduler
        if self.since is not None:
            yield "created >= ?", self.since
        if self.until is not None:
            yield "created < ?", self.until
        for word in _text(self.words).split():
            yield "instr(casefold(prompt), ?) > 0", word.casefold()


class Index:
    """The table of a folder of outputs: <owner>/<day>/<id>.png, in the trash <owner>/trash/<day>.

    owner: as the service has it; a folder has another name. All may be called from any thread, and
    raise sqlite3.Error where the table cannot be read or written.
    """

    def __init__(self, outputs: Path) -> None:
        self._outputs = Path(outputs)
        self._lock = threading.RLock()
        self._table: sqlite3.Connection | None = None

    def close(self) -> None:
        with self._lock:
            if self._table is not None:
                self._table.close()
                self._table = None

    def note(self, path: Path, owner: str) -> None:
        """Enter a picture that is on disk. Raises OSError."""
        self._change(ENTER, [_row(path, owner_folder(owner), False)])

    def pictures(self, owner: str, wanted: Wanted, skip: int = 0, limit: int = 50) -> list[Kept]:
        """So many of the newest, after so many newer ones."""
        text, values = _where(owner, wanted)
        rows = self._ask(
            f"{SELECT} WHERE {text} ORDER BY created DESC, id DESC LIMIT ? OFFSET ?",
            [*values, limit, skip],
        )
        return [_kept(row) for row in rows]

    def count(self, owner: str, wanted: Wanted) -> int:
        """How many there are."""
        text, values = _where(owner, wanted)
        (row,) = self._ask(f"SELECT count(*) FROM pictures WHERE {text}", values)
        return int(row[0])

    def size(self, owner: str) -> int:
        """Bytes of all files of an owner, those in the trash among them."""
        (row,) = self._ask(
            "SELECT coalesce(sum(size), 0) FROM pictures WHERE owner = ?", [owner_folder(owner)]
        )
        return int(row[0])

    def spare(self, owner: str, room: int, most: int) -> list[Kept]:
        """What to give up for all that stays to take no more than `room` bytes, `most` pictures of
        it: first what is in the trash, then the oldest that are no favourites."""
        if (left := self.size(owner)) <= room:
            return []
        rows = self._ask(
            f"{SELECT} WHERE owner = ? AND (trashed OR NOT favourite) "
            "ORDER BY trashed DESC, created, id LIMIT ?",
            [owner_folder(owner), most],
        )
        given = []
        for kept in map(_kept, rows):
            if left <= room:
                break
            left -= kept.size
            given.append(kept)
        return given

    def given(self, owner: str) -> set[str]:
        """Names of the pictures that the runs of an owner's pictures began with. Reads all of their
        files."""
        rows = self._ask(f"{SELECT} WHERE owner = ?", [owner_folder(owner)])
        asked = (read_request(self.path(owner, _kept(row))) for row in rows)
        names = (one.get(name) for one in asked for name in PICTURES)
        return {name for name in names if isinstance(name, str)}

    def values(self, owner: str, name: str) -> list[str]:
        """The tasks, models or schedulers that there are among an owner's pictures."""
        assert name in ("task", "model", "scheduler"), name
        rows = self._ask(
            f"SELECT DISTINCT {name} FROM pictures WHERE owner = ? ORDER BY {name}",
            [owner_folder(owner)],
        )
        return [str(row[0]) for row in rows]

    def find(self, owner: str, id: str) -> Kept:
        """Raises PictureNotFound."""
        rows = self._ask(f"{SELECT} WHERE owner = ? AND id = ?", [owner_folder(owner), _text(id)])
        if not rows:
            raise PictureNotFound("The picture is not here (any more).")
        return _kept(rows[0])

    def path(self, owner: str, kept: Kept) -> Path:
        """Its file."""
        return self._place(owner_folder(owner), kept, kept.trashed)

    def _place(self, folder: str, kept: Kept, trashed: bool) -> Path:
        return self._outputs / folder / (TRASH if trashed else "") / kept.day / f"{kept.id}.png"

    def mark(self, owner: str, id: str, favourite: bool) -> None:
        """Make a picture a favourite, or none any more. Raises PictureNotFound, OSError."""
        folder = owner_folder(owner)
        with self._lock:
            self.find(owner, id)
            append_line(self._outputs / folder / FAVOURITES, f"{'+' if favourite else '-'}{id}")
            self._change(MARK, [(favourite, folder, id)])

    def move(self, owner: str, ids: Sequence[str], trashed: bool) -> None:
        """Put pictures into the trash, or back. Raises PictureNotFound, OSError."""
        folder = owner_folder(owner)
        with self._lock:
            for kept in [self.find(owner, id) for id in ids]:
                if kept.trashed != trashed:
                    self._move(folder, kept, trashed)

    def _move(self, folder: str, kept: Kept, trashed: bool) -> None:
        source, target = (self._place(folder, kept, where) for where in (kept.trashed, trashed))
        make_folder(target.parent)
        with contextlib.suppress(FileNotFoundError):  # moved or deleted by somebody else
            os.replace(source, target)
        if not target.is_file():
            self._change(FORGET, [(folder, kept.id)])
            return
        try:
            self._change(MOVE, [(trashed, folder, kept.id)])
        except sqlite3.Error:
            os.replace(target, source)
            raise

    def erase(self, owner: str, ids: Sequence[str], *, trashed_only: bool = True) -> None:
        """Delete pictures for good; trashed_only: leave those that are not in the trash. Raises
        PictureNotFound, OSError."""
        folder = owner_folder(owner)
        with self._lock:
            for kept in [self.find(owner, id) for id in ids]:
                if kept.trashed or not trashed_only:
                    self._place(folder, kept, kept.trashed).unlink(missing_ok=True)
                    self._change(FORGET, [(folder, kept.id)])

    def match(self, anew: bool = False) -> int:
        """Bring the table in line with the files; returns how many of them were entered.

        anew: read all files, also those that it has. What else is called meanwhile waits for a
        moment at most: the files are read outside the lock.
        """
        known = {row[0] for row in self._ask("SELECT DISTINCT owner FROM pictures")}
        folders = {path.name for path in self._outputs.iterdir() if _is_own(path) and path.is_dir()}
        gone = known - folders
        self._change("DELETE FROM pictures WHERE owner = ?", [(folder,) for folder in gone])
        return sum(self._match(folder, anew) for folder in sorted(folders))

    def _match(self, folder: str, anew: bool) -> int:
        """The same for one owner."""
        known = {} if anew else {
            id: place
            for id, *place in self._ask(
                "SELECT id, trashed, day, size, created FROM pictures WHERE owner = ?", [folder]
            )
        }  # fmt: skip
        new = {}
        for path, trashed in self._files(folder):
            with contextlib.suppress(FileNotFoundError):
                about = path.stat()
                place = [trashed, path.parent.name, about.st_size, about.st_mtime]
                if known.get(path.stem) != place:
                    new[path] = _row(path, folder, trashed)
        with self._lock, self._opened() as table:
            there = {path.stem: path for path, _ in self._files(folder)}
            rows = [row for path, row in new.items() if there.get(path.stem) == path]
            ids = {row[0] for row in self._ask("SELECT id FROM pictures WHERE owner = ?", [folder])}
            marked = _favourites(self._outputs / folder / FAVOURITES)
            table.executemany(FORGET, [(folder, id) for id in ids - there.keys()])
            table.executemany(ENTER, rows)
            table.execute("UPDATE pictures SET favourite = 0 WHERE owner = ?", [folder])
            table.executemany(MARK, [(True, folder, id) for id in marked])
        return len(rows)

    def _files(self, folder: str) -> Iterator[tuple[Path, bool]]:
        """The pictures of an owner, and whether each is in the trash. Deletes what a crash left."""
        for trashed in (False, True):
            for path in (self._outputs / folder / (TRASH if trashed else "")).glob(f"{DAY}/*"):
                if not _is_own(path) or not _is_own(path.parent):
                    continue
                if path.suffix == ".png" and _text(path.stem) == path.stem:
                    yield path, trashed
                elif path.suffix == PARTIAL:
                    with contextlib.suppress(OSError):
                        if path.stat().st_mtime < time.time() - STALE:
                            path.unlink()

    def _change(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            with self._lock, self._opened() as table:
                table.executemany(statement, rows)

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> list[Sequence[Any]]:
        with self._lock:
            return self._opened().execute(statement, values).fetchall()

    def _opened(self) -> sqlite3.Connection:
        if self._table is None:
            self._outputs.mkdir(parents=True, exist_ok=True)
            path = self._outputs / FILE
            try:
                self._table = _open(path)
            except sqlite3.OperationalError:  # it is busy, or the disk is
                raise
            except sqlite3.DatabaseError as error:
                log.error("The index of the pictures is damaged, and made anew", exc_info=error)
                path.unlink()
                self._table = _open(path)
        return self._table


def _where(owner: str, wanted: Wanted) -> tuple[str, list[Any]]:
    """A condition, and its values."""
    clauses = [("owner = ?", owner_folder(owner)), *wanted.clauses()]
    return " AND ".join(clause for clause, _ in clauses), [value for _, value in clauses]


def _open(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.DatabaseError, of its kinds OperationalError only where the file is sound."""
    table = sqlite3.connect(path, check_same_thread=False)
    try:
        _prepare(table)
    except BaseException:
        table.close()
        raise
    return table


def _prepare(table: sqlite3.Connection) -> None:
    table.create_function("casefold", 1, str.casefold, deterministic=True)
    # not WAL: the SQLite of Debian 12 is of those whose WAL can damage a file
    table.execute("PRAGMA journal_mode = DELETE")
    table.execute("PRAGMA synchronous = FULL")
    if (state := table.execute("PRAGMA quick_check(1)").fetchone()) != ("ok",):
        raise sqlite3.DatabaseError(str(state))
    kinds = {str: "TEXT", float: "REAL", int: "INTEGER", bool: "INTEGER"}
    columns = ", ".join(f"{field.name} {kinds[field.type]} NOT NULL" for field in fields(Kept))  # type: ignore[index]
    with table:
        if table.execute("PRAGMA user_version").fetchone() != (VERSION,):  # of another version
            table.execute("DROP TABLE IF EXISTS pictures")
            table.execute(f"PRAGMA user_version = {VERSION}")
        table.execute(
            f"CREATE TABLE IF NOT EXISTS pictures (owner TEXT NOT NULL, {columns}, "
            "PRIMARY KEY (owner, id)) WITHOUT ROWID"
        )
        table.execute("CREATE INDEX IF NOT EXISTS newest ON pictures (owner, trashed, created, id)")


def _is_own(path: Path) -> bool:
    """Whether it is there itself: what a link leads to may be of another owner."""
    return not path.is_symlink()


def _row(path: Path, folder: str, trashed: bool) -> tuple[Any, ...]:
    asked = read_request(path)
    told: dict[str, Any] = {name: _text(asked.get(name)) for name in TEXTS}
    told |= {name: _number(asked.get(name)) for name in NUMBERS}
    about = path.stat()
    place: dict[str, Any] = {"day": path.parent.name, "size": about.st_size}
    return folder, *astuple(Kept(path.stem, about.st_mtime, trashed, **place, **told))


def _text(value: Any) -> str:
    """As a table takes it: no half of a pair of surrogates."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _number(value: Any) -> int:
    """As a table takes it: a whole one of 64 bits."""
    return value if isinstance(value, int) and value.bit_length() < 64 else 0


def _kept(row: Sequence[Any]) -> Kept:
    told = dict(zip(COLUMNS, row, strict=True))
    return Kept(**told | {name: bool(told[name]) for name in ("trashed", "favourite")})


def _favourites(journal: Path) -> set[str]:
    """What is marked by a journal of `+id` and `-id`; a line that was cut off says nothing."""
    marked: set[str] = set()
    with contextlib.suppress(OSError):
        for line in journal.read_text("utf-8", "replace").split("\n")[:-1]:
            (marked.add if line[:1] == "+" else marked.discard)(line[1:])
    return marked


def main() -> None:
    """Make the table of a folder of outputs anew."""
    parser = argparse.ArgumentParser(description="Make the index of the pictures anew.")
    parser.add_argument("outputs", type=Path, help="the folder that app.py was given")
    outputs = parser.parse_args().outputs
    if not outputs.is_dir():
        parser.error(f"there is no folder {outputs}")
    index = Index(outputs)
    print(f"{index.match(anew=True)} pictures")
    index.close()


if __name__ == "__main__":
    main()
