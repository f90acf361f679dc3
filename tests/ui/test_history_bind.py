"""The History tab over real files."""

import io
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from engine.pipelines.request import Request
from engine.service import Service
from engine.service.metadata import describe, encode_png
from tests.ui.stub import SECRET, StubWorker, stub_models
from ui.app import build_page
from ui.history.bind import ANY, Browsing, _period
from ui.pictures import PictureRoute
from ui.session import Owners

FILTERS = {
    **{"words": "", "task": ANY, "model": ANY, "scheduler": ANY, "when": "Any time"},
    **{"favourite": False, "trashed": False},
}


class Desk:
    """The tab of a page, with pictures of two owners."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        models = stub_models(folder / "models")
        self.service = Service(lambda: StubWorker(models), folder / "out", models)
        owners = Owners(SECRET)
        self.session, self.other = owners.session({}), owners.session({})
        made: list[Browsing] = []
        connect = Browsing.connect

        def noted(browsing: Browsing, tab: gr.Tab) -> None:
            made.append(browsing)
            connect(browsing, tab)

        monkeypatch.setattr(Browsing, "connect", noted)
        build_page(self.service, models, PictureRoute(folder / "out", SECRET), owners)
        (self.browsing,) = made
        self.parts = self.browsing._parts

    def save(self, session: dict[str, str], job: str, **fields: Any) -> str:
        asked = replace(Request("stub", "a red ball"), **fields)
        record = describe(asked, index=0, size=(16, 16), made={})
        png = encode_png(Image.new("RGB", (16, 16)), record)
        return self.service.history.save(png, session["owner"], job, 0).stem

    def ids(self, **asked: Any) -> list[str]:
        told = self.browsing.look(self.session, 1, **FILTERS | asked)
        return [re.search('data-id="([^"]*)"', one)[1] for one in told[self.parts.cards]]  # type: ignore[index]

    async def act(self, act: str, *ids: str, **asked: Any) -> dict[Any, Any]:
        event: Any = SimpleNamespace(_data={"act": act, "ids": list(ids), "on": True})
        filters = FILTERS | asked
        return await self.browsing.act(self.session, 1, "PNG", False, event, **filters)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_it_shows_what_is_asked_for_and_what_there_is(desk: Desk) -> None:
    ball = desk.save(desk.session, "a", scheduler="Euler")
    cube = desk.save(desk.session, "b", prompt="a <b>cube</b>", model="other")
    desk.save(desk.other, "c")
    assert desk.ids() == [cube, ball]
    assert desk.ids(words="CUBE") == [cube] and desk.ids(scheduler="Euler") == [ball]
    assert desk.ids(scheduler="") == [cube] and desk.ids(model="other") == [cube]
    assert desk.ids(when="Last 24 hours") == [cube, ball] and desk.ids(favourite=True) == []
    told = desk.browsing.look(desk.session, 1, **FILTERS)
    assert ("other", "other") in told[desk.parts.asked["model"]]["choices"]
    assert ("Model's own", "") in told[desk.parts.asked["scheduler"]]["choices"]
    assert "<b>" not in "".join(told[desk.parts.cards])
    assert "2 pictures" in told[desk.parts.bar]


async def test_trash_favourites_and_the_end(desk: Desk) -> None:
    first, second = desk.save(desk.session, "a"), desk.save(desk.session, "b")
    await desk.act("favourite", first)
    assert desk.ids(favourite=True) == [first]
    await desk.act("trash", first)
    assert desk.ids() == [second] and desk.ids(trashed=True) == [first]
    await desk.act("restore", first, trashed=True)
    assert desk.ids() == [second, first]
    await desk.act("erase", second)
    assert desk.ids() == [second, first]  # it is not in the trash
    await desk.act("trash", second)
    await desk.act("erase", second, trashed=True)
    assert desk.ids(trashed=True) == [] and desk.ids() == [first]


async def test_beyond_the_quota_it_is_asked_what_to_give_up(desk: Desk) -> None:
    old, new = desk.save(desk.session, "a"), desk.save(desk.session, "b")
    assert "Clean up" not in desk.browsing.look(desk.session, 1, **FILTERS)[desk.parts.summary]
    history = desk.service.history
    history.quota = history.index.size(desk.session["owner"]) - 1
    told = desk.browsing.look(desk.session, 1, **FILTERS)[desk.parts.summary]
    assert "Delete for good 1 picture" in told
    assert f'data-ids="{old}"' in told
    await desk.act("clean")
    assert desk.ids() == [new, old]
    await desk.act("clean", old, new)
    assert desk.ids() == [new] and desk.ids(trashed=True) == [] and old != new


@pytest.mark.parametrize("act", ["look", "compare", "favourite", "use", "export", "trash", "erase"])
async def test_nobody_reaches_the_picture_of_another(
    desk: Desk, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("ui.history.bind.warn", said.append)
    theirs = desk.save(desk.other, "c")
    owner = desk.service.history.index.path(
        desk.other["owner"], desk.service.history.index.find(desk.other["owner"], theirs)
    )
    for id in (theirs, f"../{owner.parts[-3]}/{theirs}", str(owner.with_suffix("")), "a\0b", ""):
        told = await desk.act(act, id, *([id] if act == "compare" else []))
        assert said.pop() == "The picture is not here (any more)."
        assert told[desk.parts.cards] == []
    assert owner.is_file()


async def test_a_page_may_say_anything(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.history.bind.warn", lambda _: None)
    events: tuple[Any, ...] = (
        *(None, {}, {"act": "look"}),
        *({"act": "compare", "ids": 5}, {"act": [], "ids": [[]]}),
    )
    for data in events:
        event: Any = SimpleNamespace(_data=data)
        await desk.browsing.act(desk.session, 1, "PNG", False, event, **FILTERS)
    odd: dict[str, Any] = {"words": None, "task": 5, "model": [], "scheduler": {}, "when": None}
    assert desk.browsing.look(desk.session, 1, **FILTERS | odd)[desk.parts.cards] == []


async def test_what_is_looked_at_compared_used_and_taken_along(desk: Desk) -> None:
    first, second = desk.save(desk.session, "a", seed=5), desk.save(desk.session, "b")
    told = await desk.act("look", first)
    assert "<dt>seed</dt><dd>5</dd>" in told[desk.parts.about]
    told = await desk.act("compare", first, second)
    assert told[desk.parts.pair]["value"].count('<img src="pictures/') == 2
    told = await desk.act("use", first)
    assert any(isinstance(one, dict) and one["settings"]["seed"] == 5 for one in told.values())
    told = await desk.act("export", first, second)
    assert told[desk.parts.address].endswith(".zip")


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("2026", (2026, 1, 1), (2027, 1, 1)),
        ("2026-11", (2026, 11, 1), (2026, 12, 1)),
        (" 2026-12 ", (2026, 12, 1), (2027, 1, 1)),
        ("2026-02-28", (2026, 2, 28), (2026, 3, 1)),
    ],
)
def test_a_period_is_a_year_a_month_or_a_day(
    text: str, first: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    assert _period(text) == (datetime(*first).timestamp(), datetime(*after).timestamp())


@pytest.mark.parametrize("text", ["", "2026-13", "0000", "9999-12", "yesterday", "2026-02-30"])
def test_what_is_no_period_is_any_time(text: str) -> None:
    assert _period(text) == (None, None)


def test_pages_follow_each_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.history.bind.PAGE", 2)
    saved = [desk.save(desk.session, f"job{number}") for number in range(5)][::-1]
    browsing, parts = desk.browsing, desk.parts

    def shown(told: dict[Any, Any]) -> tuple[int, list[str], bool, bool]:
        ids = [one.split('data-id="')[1].split('"')[0] for one in told[parts.cards]]
        return told[parts.page], ids, *(told[b]["interactive"] for b in (parts.newer, parts.older))

    first, middle = (1, saved[:2], False, True), (2, saved[2:4], True, True)
    last = (3, saved[4:], True, False)
    assert shown(browsing.look(desk.session, 7, **FILTERS)) == first
    assert shown(browsing.older(desk.session, 1, **FILTERS)) == middle
    assert shown(browsing.newer(desk.session, 3, **FILTERS)) == middle
    assert shown(browsing.go(desk.session, 3, **FILTERS)) == last
    for odd, met in ((99, last), (float("inf"), first), (None, first), (-5, first), ([], first)):
        assert shown(browsing.go(desk.session, odd, **FILTERS)) == met
    assert browsing.look(desk.session, 1, **FILTERS)[parts.turning]["visible"]
    alone = browsing.look(desk.session, 1, **FILTERS | {"favourite": True})
    assert not alone[parts.turning]["visible"]


def test_a_thumbnail_is_small_and_signed(desk: Desk, tmp_path: Path) -> None:
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    route = PictureRoute(tmp_path / "out", SECRET)
    png = io.BytesIO()
    Image.new("RGB", (1000, 500), "red").save(png, "PNG")
    path = desk.service.history.save(png.getvalue(), "ann", "job", 0)
    client = TestClient(Starlette(routes=route.routes()))
    address = route.thumbnail(path)
    answer = client.get(f"/{address}")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (256, 128)
    kind, signature, rest = address.split("/", 2)
    assert client.get(f"/{kind}/{signature[::-1]}/{rest}").status_code == 404
    trash = path.parents[1] / "trash" / path.parent.name
    trash.mkdir(parents=True)
    path.rename(trash / path.name)
    assert client.get(f"/{address}").status_code == 200
    (trash / path.name).unlink()
    (trash / path.name).symlink_to("/etc/hostname")
    assert client.get(f"/{address}").status_code == 404
