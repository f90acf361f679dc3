import errno
import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine.errors import EngineError, RequestError
from engine.pipelines.request import Request
from engine.service import disk
from engine.service.history import History
from engine.service.index import Wanted, owner_folder
from engine.service.metadata import encode_png
from tests.service.pictures import png


@pytest.mark.parametrize("owner", ["ann", "", "../../etc", "a/b\\c\0", "\ud800", "x" * 100_000])
def test_a_picture_stays_in_its_owners_folder(tmp_path: Path, owner: str) -> None:
    path = History(tmp_path / "new" / "out").save(b"png", owner, "job", 3)
    assert path.read_bytes() == b"png"
    assert path.name == "job-3.png"
    assert path.parent.parent.parent == tmp_path / "new" / "out"
    assert path.parent.parent.name == owner_folder(owner)


def test_owners_have_folders_of_their_own() -> None:
    assert len({owner_folder(owner) for owner in ["ann", "Ann", "ann ", ""]}) == 4


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("nth", [0, 1])
def test_what_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    history = History(tmp_path)
    history.save(b"first", "ann", "job", 0)
    real, calls = getattr(os, call), []

    def fail(*args: object) -> None:
        calls.append(args)
        if len(calls) > nth:
            raise OSError(5, "Input/output error")
        real(*args)

    monkeypatch.setattr(os, call, fail)
    if call == "replace" and nth == 1:
        history.save(b"second", "ann", "job", 1)
    with pytest.raises(EngineError, match="Input/output"):
        history.save(b"third", "ann", "job", 2)
    files = sorted(path.name for path in tmp_path.glob("*/**/*") if path.is_file())
    assert files == ["job-0.png", "job-1.png"][: 2 if call == "replace" and nth else 1]


def test_cleaning_up_keeps_what_pictures_began_with(tmp_path: Path) -> None:
    history = History(tmp_path)
    used, unused, new = (
        history.take(png(Image.new("RGB", (8, 8), color)), "ann")
        for color in ("red", "blue", "white")
    )
    for name in (used, unused, new):
        os.utime(history.given(name, "ann"), (0, 0))
    assert history.take(png(Image.new("RGB", (8, 8), "white")), "ann") == new
    asked = Request("m", task="image-to-image", image=used)
    history.save(encode_png(Image.new("RGB", (8, 8)), {"request": asked.used()}), "ann", "job", 0)
    history.clean("ann", [])
    assert history.given(used, "ann") and history.given(new, "ann")
    with pytest.raises(RequestError):
        history.given(unused, "ann")
    history.quota = 1
    asked_about = [kept.id for kept in history.surplus("ann")]
    late = history.save(b"a png", "ann", "late", 0)
    history.clean("ann", asked_about)
    history.index.close()
    assert list(tmp_path.rglob("*.png")) == [late]
    with pytest.raises(RequestError):
        history.given(used, "ann")


class Failing:
    """The disk under `engine.service.disk`: its call number `nth` fails, and all after it."""

    def __init__(self, patch: pytest.MonkeyPatch, error: int, nth: int) -> None:
        self.error, self.left, self.failed = error, nth, False
        for name in ("fsync", "replace", "open"):
            patch.setattr(disk.os, name, self.guarded(getattr(os, name)))
        patch.setattr(Path, "mkdir", self.guarded(Path.mkdir))
        patch.setattr(disk, "open", self.opened, raising=False)

    def guarded(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                self.failed = True
                raise OSError(self.error, os.strerror(self.error))
            return act(*arguments, **more)

        return call

    def opened(self, path: Path, mode: str) -> Any:
        file = self.guarded(io.open)(path, mode, buffering=0)

        class Guarded:
            fileno, flush = file.fileno, staticmethod(self.guarded(file.flush))

            def __enter__(self) -> "Guarded":
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def write(this, data: bytes) -> None:
                file.write(data[: len(data) // 2])  # half of it, and then perhaps no more
                self.guarded(file.write)(data[len(data) // 2 :])

        return Guarded()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_wherever_the_disk_fails_nothing_partial_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    for nth in range(100):
        outputs = tmp_path / str(nth)
        with monkeypatch.context() as patch:
            failing = Failing(patch, error, nth)
            try:
                path = History(outputs).save(b"a png", "ann", "job", 0)
            except EngineError as told:
                assert os.strerror(error) in str(told) and str(outputs) in str(told)
                assert failing.failed
                assert [path for path in outputs.glob("*/**/*") if path.is_file()] == []
                continue
        assert path.read_bytes() == b"a png"  # though the index may not know of it yet
        if not failing.failed:
            assert nth > 10
            return
    raise AssertionError("it never ended")


def test_a_small_disk_that_is_full_says_so_and_has_whole_pictures(small_disk: Path) -> None:
    history, saved = History(small_disk), 0
    with pytest.raises(EngineError, match=r"No space left.*Make room"):
        for saved in range(100):
            history.save(b"x" * 30_000, "ann", "job", saved)
    files = list(small_disk.rglob("*.png"))
    assert len(files) == saved > 2 and all(path.stat().st_size == 30_000 for path in files)
    assert not list(small_disk.rglob("*.part"))
    history.index.close()


def test_room_can_be_made_on_a_disk_that_is_full(small_disk: Path) -> None:
    history = History(small_disk, quota=1)
    with pytest.raises(EngineError):
        for number in range(100):
            history.save(b"x" * 30_000, "ann", "job", number)
    with suppress(OSError), (small_disk / "rest").open("wb", buffering=0) as file:
        while file.write(b"x" * 100):
            pass
    surplus = [kept.id for kept in history.surplus("ann")]
    history.clean("ann", surplus)
    assert len(surplus) > 2 and not list(small_disk.rglob("*.png"))
    assert history.index.count("ann", Wanted()) == 0
    assert history.save(b"x" * 30_000, "ann", "new", 0).is_file()
    history.index.close()


def test_a_picture_is_whole_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        assert source.read_bytes() == b"png"
        assert source.parent == target.parent
        order.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    History(tmp_path).save(b"png", "ann", "job", 0)
    assert order[-3:] == ["file", "rename", "folder"]
