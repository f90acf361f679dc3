"""Ties the list of pictures to the index. What a page names is looked up as its owner's."""

import asyncio
import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import EngineError
from engine.service.index import Kept, PictureNotFound, Wanted, owner_folder
from engine.service.metadata import read_request
from ui.history.export import FOLDER, FORMATS, pack
from ui.history.markup import bar, card, detail, name_of, summary
from ui.markup import curtain
from ui.pictures import Stage
from ui.recall import RecallGroup
from ui.shared import SILENT, Inputs, Shared, warn

__all__ = ["AGES", "ANY", "Browsing", "Parts"]

PAGE = 60
DAY = 24 * 3600
AGES = {"Any time": 0, "Last 24 hours": DAY, "Last 7 days": 7 * DAY, "Last 30 days": 30 * DAY}
ANY = "Any"
OWN = "Model's own"
"""A sampler that was not named."""
LEFT_OUT = ("prompt", "changes")
"""Fields of a record that stand elsewhere, or are no single value."""

RAW = SILENT | {"preprocess": False}
"""A list may still show what there is none of any more."""
MOST = 500
"""Pictures that are taken along at once."""

LOOKED = "() => window.stepwise.looked()"
FETCH = "(address) => address && window.stepwise.fetch(address, address.split('/').pop())"


@dataclass(frozen=True)
class Parts:
    """Components of the tab. asked: filters by the names of `Wanted`; `when` in place of dates.

    newer, page, of, older, turning: which page of the list, out of how many, how to turn it, and
    what holds all of that. address: of what is to be downloaded.
    """

    asked: Inputs
    bar: gr.HTML
    cards: gr.HTML
    newer: gr.Button
    page: gr.Number
    of: gr.HTML
    older: gr.Button
    turning: Any  # gr.Row, which is no Component
    picture: Stage
    pair: gr.HTML
    about: gr.HTML
    summary: gr.HTML
    kind: gr.Radio
    bare: gr.Checkbox
    address: gr.Textbox


class Browsing:
    """The handlers of the tab, on its components."""

    def __init__(self, shared: Shared, parts: Parts, recalling: RecallGroup) -> None:
        self._shared, self._parts, self._recalling = shared, parts, recalling
        self._index = shared.service.history.index

    def connect(self, tab: gr.Tab) -> None:
        """Register the events, once."""
        parts, session = self._parts, self._shared.session
        turning = [parts.newer, parts.page, parts.of, parts.older, parts.turning]
        listed = [parts.bar, parts.cards, parts.summary, *turning]
        asked: dict[str, Any] = {"session": session, "page": parts.page, **parts.asked}
        looks = [tab.select, *(one.change for one in parts.asked.values())]  # type: ignore[attr-defined]
        gr.on(
            looks,
            self.look,
            inputs_kwargs=asked,
            outputs=[*listed, *parts.asked.values()],
            trigger_mode="always_last",
            **RAW,
        )
        for event, turn in (
            (parts.newer.click, self.newer),
            (parts.page.input, self.go),
            (parts.older.click, self.older),
        ):
            event(turn, inputs_kwargs=asked, outputs=listed, trigger_mode="always_last", **RAW)
        for place in (parts.cards, parts.bar, parts.about, parts.summary):
            acted = place.act(
                self.act,
                inputs_kwargs={**asked, "kind": parts.kind, "bare": parts.bare},
                outputs=[
                    *(*listed, parts.picture, parts.pair, parts.about, parts.address),
                    *self._recalling.told,
                ],
                **RAW,
            )
            acted.then(None, js=LOOKED, api_visibility="private")
        parts.address.change(None, parts.address, None, js=FETCH, api_visibility="private")

    def look(self, session: Any, page: Any, **asked: Any) -> dict[Component, Any]:
        """The list from its beginning, and what can be asked for."""
        owner = self._shared.owners.of(session)
        updates = self._list(owner, 1, asked)
        if not any(_period(when := str(asked["when"]))) and when not in AGES:
            warn(f"{when} is no date that is known here: type a year, month or day: 2026-11-28.")
        for name in ("task", "model", "scheduler"):
            there = self._index.values(owner, name)
            if asked[name] != ANY and isinstance(asked[name], str) and asked[name] not in there:
                there.append(asked[name])
            choices = [(value or OWN, value) for value in there if value or name == "scheduler"]
            updates[self._parts.asked[name]] = gr.update(choices=[(ANY, ANY), *choices])
        return updates

    def newer(self, session: Any, page: Any, **asked: Any) -> dict[Component, Any]:
        """The page before."""
        return self._list(self._shared.owners.of(session), _whole(page) - 1, asked)

    def go(self, session: Any, page: Any, **asked: Any) -> dict[Component, Any]:
        """The page of that number."""
        return self._list(self._shared.owners.of(session), _whole(page), asked)

    def older(self, session: Any, page: Any, **asked: Any) -> dict[Component, Any]:
        """The page after."""
        return self._list(self._shared.owners.of(session), _whole(page) + 1, asked)

    async def act(
        self, session: Any, page: Any, kind: Any, bare: Any, event: gr.EventData, **asked: Any
    ) -> dict[Component, Any]:
        """Do what a button says."""
        owner, told = self._shared.owners.of(session), event._data
        told = told if isinstance(told, dict) else {}
        ids = told["ids"] if isinstance(told.get("ids"), list) else []
        ids, act = [str(id) for id in ids], str(told.get("act"))
        acts: dict[str, Callable[[str, Sequence[str]], dict[Component, Any]]] = {
            "look": self._show,
            "compare": self._compare,
            "favourite": partial(self._favourite, bool(told.get("on"))),
            "use": self._use,
        }
        try:
            if (do := acts.get(act)) is not None:
                return await asyncio.to_thread(do, owner, ids)
            if act == "export":
                return await asyncio.to_thread(self._export, owner, ids, str(kind), bool(bare))
            return await asyncio.to_thread(self._change, owner, ids, act, _whole(page), asked)
        except PictureNotFound as error:
            warn(str(error))
            return await asyncio.to_thread(self._list, owner, _whole(page), asked)
        except (EngineError, OSError, sqlite3.Error) as error:
            warn(str(error))
            return {self._parts.address: ""}

    def _list(self, owner: str, page: int, asked: Mapping[str, Any]) -> dict[Component, Any]:
        """page: from 1 on; the nearest that there is."""
        parts, wanted = self._parts, _wanted(asked)
        total = self._index.count(owner, wanted)
        pages = max(1, -(-total // PAGE))
        page = min(max(page, 1), pages)
        found = self._index.pictures(owner, wanted, (page - 1) * PAGE, limit=PAGE)
        history = self._shared.service.history
        lasting = not os.environ.get("SPACE_ID")
        return {
            parts.bar: bar(total, wanted.trashed),
            parts.cards: [card(kept, self._thumbnail(owner, kept)) for kept in found],
            parts.newer: gr.update(interactive=page > 1),
            parts.page: page,
            parts.of: f"<p>of {pages}</p>",
            parts.older: gr.update(interactive=page < pages),
            parts.turning: gr.update(visible=pages > 1),
            parts.summary: summary(
                self._index.size(owner), lasting, history.quota, history.surplus(owner)
            ),
        }

    def _thumbnail(self, owner: str, kept: Kept) -> str:
        return self._shared.route.thumbnail(self._index.path(owner, kept))

    def _found(self, owner: str, ids: Sequence[str], least: int = 1) -> list[tuple[Kept, Path]]:
        """Pictures, at least so many, and their files. Raises PictureNotFound."""
        if len(ids) < least:
            raise PictureNotFound("Choose a picture first." if least == 1 else "Choose two.")
        kept = [self._index.find(owner, id) for id in ids]
        return [(one, self._index.path(owner, one)) for one in kept]

    def _show(self, owner: str, ids: Sequence[str]) -> dict[Component, Any]:
        (kept, path), parts = self._found(owner, ids[:1])[0], self._parts
        address = self._shared.route.address(path)
        return {
            parts.picture: gr.update(value=address, alt_text=kept.prompt, visible=True),
            parts.pair: gr.update(visible=False),
            parts.about: detail(kept, address, _settings(path)),
        }

    def _compare(self, owner: str, ids: Sequence[str]) -> dict[Component, Any]:
        parts = self._parts
        pair = [
            (self._shared.route.address(path), name_of(kept))
            for kept, path in self._found(owner, ids[:2], 2)
        ]
        return {
            parts.pair: gr.update(value=curtain(pair), visible=True),
            parts.picture: gr.update(visible=False),
            parts.about: "",
        }

    def _favourite(self, on: bool, owner: str, ids: Sequence[str]) -> dict[Component, Any]:
        for id in ids[:1]:
            self._index.mark(owner, id, on)
        return {self._parts.address: ""}  # the page shows it already

    def _use(self, owner: str, ids: Sequence[str]) -> dict[Component, Any]:
        _, path = self._found(owner, ids[:1])[0]
        return self._recalling.read(path.read_bytes())

    def _export(
        self, owner: str, ids: Sequence[str], kind: str, bare: bool
    ) -> dict[Component, Any]:
        paths = [path for _, path in self._found(owner, [*dict.fromkeys(ids)][: MOST + 1])]
        if len(paths) > MOST:
            raise EngineError(f"More than {MOST} pictures are chosen: take them along in parts.")
        if kind not in FORMATS:
            return {self._parts.address: ""}
        folder = self._shared.service.history.outputs / owner_folder(owner) / FOLDER
        return {self._parts.address: self._shared.route.address(pack(paths, kind, bare, folder))}

    def _change(
        self, owner: str, ids: Sequence[str], act: str, page: int, asked: Mapping[str, Any]
    ) -> dict[Component, Any]:
        if act in ("trash", "restore"):
            self._index.move(owner, ids, act == "trash")
        elif act == "erase":
            self._index.erase(owner, ids)
        elif act == "clean":
            self._shared.service.history.clean(owner, frozenset(ids))
        parts = self._parts
        return {
            **self._list(owner, page, asked),
            parts.about: "",
            parts.picture: gr.update(visible=False),
            parts.pair: gr.update(visible=False),
        }


def _whole(page: Any) -> int:
    """The number of a page, which may be anything."""
    return int(page) if isinstance(page, (int, float)) and abs(page) < 1e9 else 1


def _wanted(asked: Mapping[str, Any]) -> Wanted:
    """What the filters say; they are of a page, and may say anything."""
    chosen = {name: str(asked[name]) for name in ("task", "model", "scheduler")}
    since, until = _period(str(asked["when"]))
    return Wanted(
        words=str(asked["words"] or "")[:1000],
        task="" if chosen["task"] == ANY else chosen["task"],
        model="" if chosen["model"] == ANY else chosen["model"],
        scheduler=None if chosen["scheduler"] == ANY else chosen["scheduler"],
        since=since,
        until=until,
        favourite=bool(asked["favourite"]),
        trashed=bool(asked["trashed"]),
    )


def _period(text: str) -> tuple[float | None, float | None]:
    """Since when and until when: for a key of AGES, or a year, month or day as 2026-11-28."""
    if age := AGES.get(text):
        return time.time() - age, None
    found = re.fullmatch(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?", text.strip())
    if found is None:
        return None, None
    year, month, day = (int(part) if part else 0 for part in found.groups())
    try:
        first = datetime(year, month or 1, day or 1)
        if day:
            last = first + timedelta(1)
        else:
            last = datetime(year + (month in (0, 12)), month % 12 + 1 if month else 1, 1)
        return first.timestamp(), last.timestamp()
    except (ValueError, OverflowError):
        return None, None


def _settings(path: Path) -> list[tuple[str, str]]:
    """Of a picture that has a record of a run; none of a grid."""
    asked = read_request(path).items()
    texts = {n: v if isinstance(v, str) else json.dumps(v) for n, v in asked}
    return [
        (name.replace("_", " "), text)
        for name, text in texts.items()
        if name not in LEFT_OUT and text not in ("", "null")
    ]
