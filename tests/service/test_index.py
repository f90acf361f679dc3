import json
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.pipelines.request import Request
from engine.service.history import History
from engine.service.index import (
    FAVOURITES,
    FILE,
    Index,
    Kept,
    PictureNotFound,
    Wanted,
    main,
    owner_folder,
)
from engine.service.metadata import describe, encode_png

ANN, BOB = "ann", "bob"
ALL, TRASHED, LOVED = Wanted(), Wanted(trashed=True), Wanted(favourite=True)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path)
    yield made
    made.close()


def save(index: Index, job: str, owner: str = "ann", note: bool = True, **fields: object) -> str:
    """A picture on disk, and in the table if it is noted; returns its id."""
    asked = replace(Request("tabletop", "a red ball"), **fields)
    record = describe(asked, index=0, size=(64, 32), made={})
    png = encode_png(Image.new("RGB", (8, 8)), record)
    history = History(index._outputs)
    path = history.save(png, owner, job, 0)
    if not note:
        history.index._change("DELETE FROM pictures WHERE id = ?", [(path.stem,)])
    history.index.close()
    return path.stem


def ids(index: Index, wanted: Wanted = ALL, owner: str = ANN) -> list[str]:
    return [kept.id for kept in index.pictures(owner, wanted)]


def test_the_newest_come_first_page_by_page_each_once(index: Index) -> None:
    saved = [save(index, f"job{number}") for number in range(7)]
    shown: list[Kept] = []
    while page := index.pictures(ANN, ALL, len(shown), limit=3):
        shown += page
    assert [kept.id for kept in shown] == saved[::-1]
    assert index.count(ANN, ALL) == 7


def test_each_owner_sees_their_own(index: Index) -> None:
    mine, theirs = save(index, "a"), save(index, "b", owner="bob")
    assert (ids(index), ids(index, owner=BOB)) == ([mine], [theirs])
    for act in (
        lambda: index.find(ANN, theirs),
        lambda: index.mark(ANN, theirs, True),
        lambda: index.move(ANN, [theirs], True),
        lambda: index.find(ANN, f"../{owner_folder(BOB)}/{theirs}"),
    ):
        with pytest.raises(PictureNotFound):
            act()
    assert ids(index, owner=BOB) == [theirs] and ids(index, TRASHED, BOB) == []


def test_it_is_found_by_what_it_is_of(index: Index) -> None:
    ball = save(index, "a", prompt="a RED ball, 100 % red, ÄÖ", scheduler="Euler")
    cube = save(index, "b", prompt="a blue cube", model="other")
    noise = save(index, "c", prompt="", task="unconditional", model="tabletop-ddpm")
    for wanted, found in (
        (Wanted("red"), [ball]),
        (Wanted("BALL red"), [ball]),
        (Wanted("red cube"), []),
        (Wanted("äö"), [ball]),
        (Wanted("%"), [ball]),
        (Wanted("_"), []),
        (Wanted("'; DROP TABLE pictures; --"), []),
        (Wanted(task="unconditional"), [noise]),
        (Wanted(model="other"), [cube]),
        (Wanted(scheduler="Euler"), [ball]),
        (Wanted(scheduler=""), [noise, cube]),
        (Wanted(until=0.0), []),
        (Wanted(since=0.0), [noise, cube, ball]),
    ):
        assert ids(index, wanted) == found, wanted
        assert index.count(ANN, wanted) == len(found)
    assert index.values(ANN, "model") == ["other", "tabletop", "tabletop-ddpm"]
    kept = index.find(ANN, ball)
    assert (kept.seed, kept.width, kept.height) == (0, 64, 32)
    assert index.path(ANN, kept).is_file()


def test_the_trash_gives_back_what_it_took(index: Index) -> None:
    first, second = save(index, "a"), save(index, "b")
    index.move(ANN, [first], True)
    assert (ids(index), ids(index, TRASHED)) == ([second], [first])
    assert "trash" in index.path(ANN, index.find(ANN, first)).parts
    assert index.path(ANN, index.find(ANN, first)).is_file()
    index.move(ANN, [first, second], False)
    assert ids(index) == [second, first]
    assert index.path(ANN, index.find(ANN, first)).is_file()


def test_only_what_is_in_the_trash_is_deleted_for_good(index: Index) -> None:
    kept, old = save(index, "a"), save(index, "b")
    before = index.size(ANN)
    index.move(ANN, [old], True)
    path = index.path(ANN, index.find(ANN, old))
    assert index.size(ANN) == before
    index.erase(ANN, [kept, old])
    assert ids(index) == [kept] and ids(index, TRASHED) == [] and not path.exists()
    assert index.size(ANN) == index.path(ANN, index.find(ANN, kept)).stat().st_size
    with pytest.raises(PictureNotFound):
        index.erase(ANN, [old])


def test_what_is_given_up_first_is_the_trash_then_the_oldest(index: Index) -> None:
    saved = [save(index, f"job{number}") for number in range(5)]
    size = index.size(ANN) // 5
    index.move(ANN, [saved[3]], True)
    index.mark(ANN, saved[0], True)
    given = [[kept.id for kept in index.spare(ANN, size * room + 9, 9)] for room in (5, 4, 3, 0)]
    assert [kept.id for kept in index.spare(ANN, 0, 2)] == [saved[3], saved[1]]
    order = [saved[3], saved[1], saved[2], saved[4]]
    assert given == [[], order[:1], order[:2], order]


def everything(index: Index) -> list[Kept]:
    return [*index.pictures(ANN, ALL, limit=999), *index.pictures(ANN, TRASHED, limit=999)]


def test_a_lost_table_is_made_again_from_the_files(index: Index, tmp_path: Path) -> None:
    names = [save(index, f"job{n}", seed=n, prompt=f"ball {n}") for n in range(5)]
    index.mark(ANN, names[1], True)
    index.mark(ANN, names[2], True)
    index.mark(ANN, names[2], False)
    index.move(ANN, [names[1], names[3]], True)
    (tmp_path / owner_folder(ANN) / "2026-01-01").mkdir()
    (tmp_path / owner_folder(ANN) / "2026-01-01" / "odd.png").write_bytes(b"no picture")
    index.match()
    before = everything(index)
    assert [kept.id for kept in before if kept.favourite] == [names[1]]
    assert len(before) == 6
    index.close()
    for spoil in (
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"broken" * 999),
        lambda path: path.write_bytes(path.read_bytes()[:5000] + b"\xff" * 9000),
    ):
        spoil(tmp_path / FILE)
        again = Index(tmp_path)
        assert again.match() == 6
        assert everything(again) == before
        assert again.match() == 0
        again.close()


@pytest.mark.parametrize(
    "request_",
    [
        "[" * 100_000,
        "null",
        '{"prompt": "\\ud800", "seed": 99999999999999999999, "width": [1], "height": 1e99}',
        '{"prompt": {"a": 1}, "task": null, "model": 3, "seed": "7", "width": -1, "height": true}',
    ],
)
def test_whatever_a_file_says_it_is_entered(index: Index, tmp_path: Path, request_: str) -> None:
    info = PngInfo()
    info.add_text("stepwise", f'{{"request": {request_}}}')
    folder = tmp_path / owner_folder(ANN) / "2026-01-01"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "odd.png", pnginfo=info)
    assert index.match() == 1
    assert ids(index) == ["odd"]


def test_files_that_came_went_or_moved_meanwhile_are_met(index: Index, tmp_path: Path) -> None:
    gone, moved = save(index, "a"), save(index, "b")
    index.path(ANN, index.find(ANN, gone)).unlink()
    path = index.path(ANN, index.find(ANN, moved))
    target = tmp_path / owner_folder(ANN) / "trash" / path.parent.name / path.name
    target.parent.mkdir(parents=True)
    os.replace(path, target)
    come = save(index, "c", note=False)
    index.match()
    assert (ids(index), ids(index, TRASHED)) == ([come], [moved])


def test_a_journal_that_was_cut_off_is_read_to_its_last_line(index: Index, tmp_path: Path) -> None:
    name = save(index, "a")
    (tmp_path / owner_folder(ANN) / FAVOURITES).write_bytes(f"+{name}\n-{name}".encode())
    index.match()
    assert ids(index, LOVED) == [name]
    other = save(index, "b")
    index.mark(ANN, other, True)
    index.match()
    assert other in ids(index, LOVED)


def test_what_cannot_be_written_into_the_table_is_not_done(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, other = save(index, "a"), save(index, "b")

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(index, "_change", full)
        with pytest.raises(sqlite3.Error):
            index.move(ANN, [name], True)
    assert index.path(ANN, index.find(ANN, name)).is_file()
    index.move(ANN, [name], True)
    assert ids(index, TRASHED) == [name]
    index.path(ANN, index.find(ANN, name)).unlink()  # by hand: nothing stops at it
    index.move(ANN, [name, other], False)
    index.move(ANN, [other], True)
    assert (ids(index), ids(index, TRASHED)) == ([], [other])


def test_a_table_that_is_busy_is_left_alone(index: Index, tmp_path: Path) -> None:
    name = save(index, "a")
    index.close()
    other = sqlite3.connect(tmp_path / FILE)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        ids(index)
    other.rollback()
    other.close()
    assert ids(index) == [name]


@pytest.mark.parametrize("moment", ["read", "listed"])
def test_what_is_done_while_the_files_are_read_holds(
    index: Index, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """By another thread, for which the lock is free: here by the same one, at two moments."""
    names = [save(index, f"job{number}") for number in range(4)]
    index.move(ANN, names[:1], True)
    loved, binned, back = names[1], names[2], names[0]
    real = Index._files
    calls = []

    def files(self: Index, folder: str) -> Iterator[tuple[Path, bool]]:
        calls.append(folder)
        yield from list(real(self, folder)) if moment == "listed" else real(self, folder)
        if len(calls) == 1:
            self.mark(ANN, loved, True)
            self.move(ANN, [binned], True)
            self.move(ANN, [back], False)

    monkeypatch.setattr(Index, "_files", files)
    index.match(anew=True)
    assert ids(index, LOVED) == [loved]
    assert ids(index, TRASHED) == [binned]
    assert set(ids(index)) == {names[0], names[1], names[3]}
    for kept in everything(index):
        assert index.path(ANN, kept).is_file()


def test_a_picture_that_was_moved_or_changed_by_hand_is_read_again(
    index: Index, tmp_path: Path
) -> None:
    name = save(index, "a")
    path = index.path(ANN, index.find(ANN, name))
    target = tmp_path / owner_folder(ANN) / "2026-01-02" / path.name
    target.parent.mkdir()
    path.replace(target)
    half, fresh = (target.with_name(f"{n}.part") for n in ("half", "fresh"))
    for partial in (half, fresh):
        partial.write_bytes(b"half")
    os.utime(half, (0, 0))
    assert index.match() == 1 and index.match() == 0
    assert index.path(ANN, index.find(ANN, name)) == target
    assert fresh.exists() and not half.exists()


def test_the_command_makes_it_anew_beside_the_app(
    index: Index,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = save(index, "a")
    index._change("UPDATE pictures SET prompt = ?", [("wrong",)])
    monkeypatch.setattr(sys, "argv", ["index", str(tmp_path)])
    main()
    assert capsys.readouterr().out == "1 pictures\n"
    assert index.find(ANN, name).prompt == "a red ball"
    assert save(index, "b") in ids(index)
    monkeypatch.setattr(sys, "argv", ["index", str(tmp_path / "none")])
    with pytest.raises(SystemExit):
        main()
    assert not (tmp_path / "none").exists()


def test_many_threads_write_and_read(index: Index) -> None:
    def work(number: int) -> None:
        for step in range(10):
            save(index, f"job{number}x{step}")
            ids(index)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.count(ANN, ALL) == 40


def test_it_waits_for_the_disk(index: Index, tmp_path: Path) -> None:
    save(index, "a")
    with sqlite3.connect(tmp_path / FILE) as table:
        assert table.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert index._opened().execute("PRAGMA synchronous").fetchone() == (2,)
    assert json.dumps(ids(index))
