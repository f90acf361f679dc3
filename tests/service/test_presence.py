import time

import pytest

from engine.service.presence import Presence
from tests.service.stub import LIMIT


def wait(gone: list[str], count: int) -> None:
    end = time.monotonic() + LIMIT
    while len(gone) < count and time.monotonic() < end:
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Presence, "grace", 0.2)


def test_the_last_page_that_closes_is_told() -> None:
    gone: list[str] = []
    presence = Presence(gone.append)
    for page in ("1", "2"):
        presence.enter("ann", page, matters=True)
    presence.leave("ann", "1")
    presence.leave("ann", "1")
    presence.enter("bob", "1", matters=True)
    presence.leave("bob", "1")
    wait(gone, 1)
    assert gone == ["bob"]
    presence.leave("ann", "2")
    wait(gone, 2)
    assert gone == ["bob", "ann"]


def test_a_reload_is_no_end() -> None:
    gone: list[str] = []
    presence = Presence(gone.append)
    presence.enter("ann", "1", matters=True)
    presence.leave("ann", "1")
    presence.enter("ann", "2", matters=True)
    presence.enter("bob", "1", matters=True)
    presence.leave("bob", "1")
    wait(gone, 1)
    assert gone == ["bob"]


def test_more_pages_than_anybody_has_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Presence, "most_owners", 2)
    monkeypatch.setattr(Presence, "most_pages", 2)
    gone: list[str] = []
    presence = Presence(gone.append)
    for owner in ("ann", "bob", "cid"):
        for page in ("1", "2", "3"):
            presence.enter(owner, page, matters=True)
    for owner in ("ann", "bob", "cid"):
        for page in ("1", "2", "3"):
            presence.leave(owner, page)
    wait(gone, 2)
    assert gone == ["bob", "cid"]


def test_a_page_that_is_not_heard_of_any_more_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Presence, "lifetime", 0.05)
    gone: list[str] = []
    presence = Presence(gone.append)
    presence.enter("ann", "crashed", matters=True)
    time.sleep(0.1)
    presence.enter("ann", "1", matters=True)
    presence.leave("ann", "1")
    wait(gone, 1)
    assert gone == ["ann"]


def test_who_does_not_want_it_is_left_alone() -> None:
    gone: list[str] = []
    presence = Presence(gone.append)
    presence.enter("ann", "1", matters=True)
    presence.enter("ann", "1", matters=False)
    presence.leave("ann", "1")
    presence.enter("bob", "1", matters=True)
    presence.leave("bob", "1")
    wait(gone, 1)
    assert gone == ["bob"]
