import pytest

from ui.session import kept_run, new_session, owner_of

JUNK: list[object] = [None, {}, "x", 7, {"owner": "guess", "job": 3}, {"owner": 7, "job": None}]
JUNK += [{"settings": value} for value in ("x", ["steps"], {"steps": [3]}, {"other": 3})]


@pytest.mark.parametrize("kept", JUNK)
def test_a_browser_without_a_token_gets_one(kept: object) -> None:
    session = new_session(kept)
    assert len(session["owner"]) == 32
    assert new_session(session) == session


def test_a_session_of_an_earlier_version_keeps_its_owner() -> None:
    owner = owner_of("")
    assert new_session({"owner": owner, "job": "j", "prompt": "p"}) == {"owner": owner}


@pytest.mark.parametrize("kept", JUNK)
def test_a_tab_that_keeps_no_run_shows_none(kept: object) -> None:
    assert kept_run(kept) == {"job": "", "prompt": "", "settings": {}}


def test_a_tab_keeps_its_run() -> None:
    run = {"job": "j", "prompt": "a cube", "settings": {"scheduler": "Euler", "steps": 25}}
    assert kept_run(run) == run


def test_callers_without_a_token_get_their_own() -> None:
    token = owner_of("")
    assert owner_of(token) == token
    assert owner_of("") != token
