"""Which pictures each owner has: a table over the files, which can be made anew from them.

The files are what counts. An owner and the trash are folders, favourites a journal beside them, and
all else stands in the PNG: `Index.match` brings the table in line with them at every start.
"""

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.service.metadata import read_record

__all__ = ["FILE", "Index", "Kept", "PictureNotFound", "Wanted"]

log = logging.getLogger(__name__)

FILE = "index.sqlite"
TRASH = "trash"
FAVOURITES = "favourites"
DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
"""Folders of pictures, as glob has them."""


class PictureNotFound(EngineError):
    """This owner has no picture of that name."""


@dataclass(frozen=True)
class Kept:
    """A picture on disk.

    id: its name for its owner. created: unix time in seconds. scheduler: as asked for, "" for the
    model's own. Of a grid, and of a file without a record, only the first five say something.
    """

    id: str
    created: float
    trashed: bool = False
    favourite: bool = False
    day: str = ""
    task: str = ""
    model: str = ""
    scheduler: str = ""
    prompt: str = ""
    seed: int = 0
    width: int = 0
    height: int = 0


COLUMNS = tuple(field.name for field in fields(Kept))


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
        for word in self.words.split():
            yield "instr(lower(prompt), ?) > 0", word.lower()


class Index:
    """The table of a folder of outputs: <owner>/<day>/<id>.png, in the trash <owner>/trash/<day>.

    All may be called from any thread.
    """

    def __init__(self, outputs: Path) -> None:
        self._outputs = Path(outputs)
        self._lock = threading.Lock()
        self._table: sqlite3.Connection | None = None

    def close(self) -> None:
        with self._lock:
            if self._table is not None:
                self._table.close()
                self._table = None

    def note(self, path: Path, owner: str, record: Mapping[str, Any]) -> None:
        """Enter a picture that is on disk. owner: name of the owner's folder."""
        self._enter([_row(path, owner, record, False)])

    def pictures(
        self, owner: str, wanted: Wanted, before: Kept | None = None, limit: int = 50
    ) -> list[Kept]:
        """The newest first, from the one after `before` on."""
        clauses = [("owner = ?", owner), *wanted.clauses()]
        values = [value for _, value in clauses]
        text = " AND ".join(clause for clause, _ in clauses)
        if before is not None:
            text += " AND (created, id) < (?, ?)"
            values += [before.created, before.id]
        rows = self._ask(
            f"SELECT {', '.join(COLUMNS)} FROM pictures WHERE {text} "
            "ORDER BY created DESC, id DESC LIMIT ?",
            [*values, limit],
        )
        return [_kept(row) for row in rows]

    def count(self, owner: str, wanted: Wanted) -> int:
        clauses = [("owner = ?", owner), *wanted.clauses()]
        text = " AND ".join(clause for clause, _ in clauses)
        (row,) = self._ask(
            f"SELECT count(*) FROM pictures WHERE {text}", [value for _, value in clauses]
        )
        return int(row[0])

    def values(self, owner: str, name: str) -> list[str]:
        """The tasks, models or schedulers that there are among an owner's pictures."""
        assert name in ("task", "model", "scheduler"), name
        rows = self._ask(
            f"SELECT DISTINCT {name} FROM pictures WHERE owner = ? ORDER BY {name}", [owner]
        )
        return [str(row[0]) for row in rows]

    def find(self, owner: str, id: str) -> Kept:
        """Raises PictureNotFound."""
        rows = self._ask(
            f"SELECT {', '.join(COLUMNS)} FROM pictures WHERE owner = ? AND id = ?", [owner, id]
        )
        if not rows:
            raise PictureNotFound("The picture is not here (any more).")
        return _kept(rows[0])

    def path(self, owner: str, kept: Kept) -> Path:
        """Its file."""
        folder = self._outputs / owner / (TRASH if kept.trashed else "")
        return folder / kept.day / f"{kept.id}.png"

    def mark(self, owner: str, id: str, favourite: bool) -> None:
        """Make a picture a favourite, or none any more. Raises PictureNotFound, OSError."""
        self.find(owner, id)
        journal = self._outputs / owner / FAVOURITES
        with open(journal, "a", encoding="utf-8") as file:
            file.write(f"{'+' if favourite else '-'}{id}\n")
            file.flush()
            os.fsync(file.fileno())
        self._change("UPDATE pictures SET favourite = ? WHERE owner = ? AND id = ?",
                     [(favourite, owner, id)])  # fmt: skip

    def move(self, owner: str, ids: Sequence[str], trashed: bool) -> None:
        """Put pictures into the trash, or back. Raises PictureNotFound, OSError."""
        for id in ids:
            kept = self.find(owner, id)
            if kept.trashed == trashed:
                continue
            source = self.path(owner, kept)
            target = self._outputs / owner / (TRASH if trashed else "") / kept.day / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
            self._change("UPDATE pictures SET trashed = ? WHERE owner = ? AND id = ?",
                         [(trashed, owner, id)])  # fmt: skip

    def match(self) -> int:
        """Bring the table in line with the files; returns how many of them were entered."""
        known = {
            (row[0], row[1]): bool(row[2])
            for row in self._ask("SELECT owner, id, trashed FROM pictures")
        }
        new, there = [], set()
        for path, owner, trashed in self._files():
            key = owner, path.stem
            there.add(key)
            if known.get(key) != trashed:
                with contextlib.suppress(FileNotFoundError):
                    new.append(_row(path, owner, _record(path), trashed))
        self._change("DELETE FROM pictures WHERE owner = ? AND id = ?", list(known.keys() - there))
        self._enter(new)
        for owner in {owner for owner, _ in there}:
            marked = _favourites(self._outputs / owner / FAVOURITES)
            self._change("UPDATE pictures SET favourite = 0 WHERE owner = ?", [(owner,)])
            self._change("UPDATE pictures SET favourite = 1 WHERE owner = ? AND id = ?",
                         [(owner, id) for id in marked])  # fmt: skip
        return len(new)

    def _files(self) -> Iterator[tuple[Path, str, bool]]:
        """Each picture, its owner's folder, and whether it is in the trash."""
        for trashed, pattern in ((False, f"*/{DAY}/*.png"), (True, f"*/{TRASH}/{DAY}/*.png")):
            for path in self._outputs.glob(pattern):
                yield path, path.relative_to(self._outputs).parts[0], trashed

    def _enter(self, rows: list[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" * (len(COLUMNS) + 1))
        self._change(
            f"INSERT OR REPLACE INTO pictures (owner, {', '.join(COLUMNS)}) VALUES ({marks})", rows
        )

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
            try:
                self._table = _open(self._outputs / FILE)
            except sqlite3.DatabaseError as error:
                log.error("The index of the pictures is damaged, and made anew", exc_info=error)
                (self._outputs / FILE).unlink()
                self._table = _open(self._outputs / FILE)
        return self._table


def _open(path: Path) -> sqlite3.Connection:
    table = sqlite3.connect(path, check_same_thread=False)
    # not WAL: the SQLite of Debian 12 is of those whose WAL can damage a file
    table.execute("PRAGMA journal_mode = DELETE")
    table.execute("PRAGMA synchronous = FULL")
    kinds = {str: "TEXT", float: "REAL", int: "INTEGER", bool: "INTEGER"}
    columns = ", ".join(f"{field.name} {kinds[field.type]} NOT NULL" for field in fields(Kept))  # type: ignore[index]
    with table:
        table.execute(
            f"CREATE TABLE IF NOT EXISTS pictures (owner TEXT NOT NULL, {columns}, "
            "PRIMARY KEY (owner, id)) WITHOUT ROWID"
        )
        table.execute("CREATE INDEX IF NOT EXISTS newest ON pictures (owner, trashed, created, id)")
    return table


def _record(path: Path) -> Mapping[str, Any]:
    with contextlib.suppress(OSError, LookupError, ValueError, TypeError, SyntaxError):
        return read_record(path)
    return {}


def _row(path: Path, owner: str, record: Mapping[str, Any], trashed: bool) -> tuple[Any, ...]:
    asked = record.get("request")
    asked = asked if isinstance(asked, dict) else {}
    texts = {n: str(asked.get(n, "")) for n in ("task", "model", "scheduler", "prompt")}
    numbers = {
        n: v if isinstance(v := asked.get(n), int) else 0 for n in ("seed", "width", "height")
    }
    told: dict[str, Any] = {**texts, **numbers, "day": path.parent.name}
    return owner, *astuple(Kept(path.stem, path.stat().st_mtime, trashed, **told))


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
