import stat
from pathlib import Path

import pytest

from tests.ui.stub import SECRET
from ui.secret import load_secret
from ui.session import Owners

OWNERS = Owners(SECRET)
JUNK: list[object] = [None, {}, "x", 7, {"owner": "guess", "job": 3}, {"owner": 7}]
JUNK += [{"owner": "0" * 32}, {"owner": f"{'0' * 32}.{'0' * 32}"}, {"owner": "é.é"}]


@pytest.mark.parametrize("kept", JUNK)
def test_a_browser_without_a_token_of_ours_gets_one(kept: object) -> None:
    session = OWNERS.session(kept)
    assert session != kept
    assert OWNERS.session(session | {"job": "of an earlier version"}) == session
    assert OWNERS.of(session) == session["owner"]


def test_callers_without_a_token_get_their_own() -> None:
    token = OWNERS.checked("")
    assert OWNERS.checked(token) == token
    assert OWNERS.checked("") != token
    assert Owners(b"t" * 32).checked(token) != token


def test_the_secret_outlives_a_restart_and_is_nobody_elses(tmp_path: Path) -> None:
    first = load_secret(tmp_path / "new")
    assert len(first) == 32
    assert load_secret(tmp_path / "new") == first
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["secret"]
    assert stat.S_IMODE((tmp_path / "new/secret").stat().st_mode) == 0o600
    assert load_secret(tmp_path / "other") != first


def test_where_nothing_can_be_kept_a_secret_holds_for_now(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert len(load_secret(tmp_path / "file" / "folder")) == 32
