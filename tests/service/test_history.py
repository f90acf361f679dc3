import os
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.service.history import History, owner_folder


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
    files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["job-0.png", "job-1.png"][: 2 if call == "replace" and nth else 1]


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
