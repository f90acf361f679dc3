"""A session of Gradio's as a browser speaks it: it joins events, reads one stream of answers while
any is open, and itself triggers what follows on an event."""

import asyncio
import json
import re
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import httpx

__all__ = ["JOIN", "Page", "Shown", "Trouble", "Visitor", "client"]

JOIN, DATA, ALIVE = (f"gradio_api/{name}" for name in ("queue/join", "queue/data", "heartbeat/"))
LIMIT = 600.0
"""Seconds after which an answer is given up."""
PICTURE = re.compile(r"pictures/[0-9a-f]{32}/[\w./-]+\.png")
FULL = re.compile(r"The queue is full|jobs of yours are waiting|Queue is full")


def client(url: str) -> httpx.AsyncClient:
    """A client of the page with connections of its own, which are closed before the server does."""
    return httpx.AsyncClient(
        base_url=url,
        timeout=LIMIT,
        limits=httpx.Limits(keepalive_expiry=1),
        verify=False,
        trust_env=False,
    )


class Trouble(Exception):
    """What went wrong, in a word or two by which it can be counted: `full` is a refusal."""


@dataclass(frozen=True)
class Page:
    """What a browser learns of the page: its components and events, by their numbers."""

    components: Mapping[int, Mapping[str, Any]]
    events: Mapping[int, Mapping[str, Any]]
    layout: Mapping[str, Any]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Of the answer to `GET config`."""
        components = {one["id"]: one for one in config["components"]}
        events = {one["id"]: one for one in config["dependencies"] if one["backend_fn"]}
        return cls(components, events, config["layout"])

    def triggered(self, component: int, kind: str) -> list[int]:
        """The events of a component, as `click`."""
        return [i for i, event in self.events.items() if [component, kind] in event["targets"]]

    def after(self, event: int) -> list[int]:
        """The events that follow on one."""
        return [i for i, other in self.events.items() if other["trigger_after"] == event]

    @cached_property
    def loads(self) -> list[int]:
        """What a browser triggers when it has drawn the page."""
        return self.triggered(self.layout["id"], "load")

    @cached_property
    def click(self) -> int:
        """The click on Generate of the first tab that has one."""
        button = next(i for i in _below(self.layout) if self._props(i).get("value") == "Generate")
        return self.triggered(button, "click")[0]

    @cached_property
    def watcher(self) -> int:
        """What shows the runs of that tab, when the click is answered."""
        return self.after(self.click)[0]

    def values(self, event: int, kept: Mapping[int, Any], fields: Mapping[str, Any]) -> list[Any]:
        """The inputs of an event. kept: by component; fields: by label, before all else."""
        return [
            fields.get(self._props(i).get("label", ""), kept.get(i, self._props(i).get("value")))
            for i in self.events[event]["inputs"]
        ]

    def _props(self, component: int) -> Mapping[str, Any]:
        return self.components.get(component, {}).get("props", {})


def _below(layout: Mapping[str, Any]) -> list[int]:
    """The components of a layout, from top to bottom."""
    return [layout["id"], *(i for child in layout.get("children", ()) for i in _below(child))]


@dataclass(frozen=True)
class Shown:
    """A run as a visitor saw it. submit: seconds from the click to its answer; preview: unix time
    at which the first picture of it came, in seconds; picture: address of the finished one."""

    submit: float
    preview: float
    picture: str


class Visitor:
    """One open page. It is to be closed."""

    def __init__(self, url: str, page: Page) -> None:
        self._page = page
        # one pool each: a shared one is searched from end to end for every request
        self._http = client(url)
        self._session = secrets.token_hex(6)
        self._kept: dict[int, Any] = {}
        self._boxes: dict[str, asyncio.Queue[Any]] = defaultdict(asyncio.Queue)
        self._open = 0
        self._reader: asyncio.Task[None] | None = None
        self._heart: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in filter(None, (self._reader, self._heart)):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._http.aclose()

    async def open(self) -> None:
        """Get the page, and what it loads, to the end."""
        (await self._http.get("")).raise_for_status()
        self._heart = asyncio.create_task(self._beat())
        await asyncio.gather(*(self._run(event) for event in self._page.loads))

    async def generate(self, **fields: Any) -> Shown:
        """Ask for a picture and watch until it is there. fields: by label."""
        began = time.perf_counter()
        answer = [message async for message in self._messages(self._page.click, fields)][-1]
        submit = time.perf_counter() - began
        self._keep(self._page.click, answer)
        _refuse(answer)
        preview, picture = 0.0, ""
        async for message in self._messages(self._page.watcher, fields):
            if not preview and "preview.jpg" in message["text"]:
                preview = time.time()
            if not picture and (found := PICTURE.search(message["text"])):
                picture = found[0]
            _refuse(message)
        await asyncio.gather(*(self._run(event) for event in self._page.after(self._page.watcher)))
        if not picture:
            raise Trouble("no picture")
        return Shown(submit, preview or time.time(), picture)

    async def fetch(self, address: str) -> bytes:
        """A file of the page."""
        return (await self._http.get(address)).raise_for_status().content

    async def _run(self, event: int) -> None:
        """One event and all that follow on it."""
        answer = [message async for message in self._messages(event, {})][-1]
        self._keep(event, answer)
        await asyncio.gather(*(self._run(after) for after in self._page.after(event)))

    def _keep(self, event: int, answer: Mapping[str, Any]) -> None:
        """Note what whole values came for the components."""
        outputs = self._page.events[event]["outputs"]
        for component, value in zip(outputs, answer["output"].get("data", ()), strict=False):
            if not (isinstance(value, dict) and "__type__" in value):
                self._kept[component] = value

    async def _messages(self, event: int, fields: Mapping[str, Any]) -> AsyncIterator[Any]:
        """What the server says of an event, to the last. Raises Trouble."""
        data = self._page.values(event, self._kept, fields)
        asked = {"session_hash": self._session, "fn_index": event, "data": data}
        answer = await self._http.post(JOIN, json={**asked, "event_data": None, "trigger_id": None})
        if answer.status_code != 200:
            raise Trouble("full" if FULL.search(answer.text) else f"status {answer.status_code}")
        number = answer.json()["event_id"]
        self._open += 1
        try:
            if self._reader is None or self._reader.done():
                self._reader = asyncio.create_task(self._read())
            async with asyncio.timeout(LIMIT):
                while (message := await self._boxes[number].get())["msg"] != "process_completed":
                    if message["msg"] == "unexpected_error":
                        raise Trouble(message["message"])
                    yield message
            if not message["success"]:
                raise Trouble(str(message["output"].get("error")))
            yield message
        finally:
            self._open -= 1
            self._boxes.pop(number, None)

    async def _read(self) -> None:
        """Hand on what comes, as long as any event is open."""
        error = "the stream ended"
        try:
            while self._open:  # one may have joined while the stream was being closed
                await self._stream()
        except (httpx.HTTPError, Trouble) as lost:
            error = str(lost) or type(lost).__name__
        for box in self._boxes.values():
            box.put_nowait({"msg": "unexpected_error", "message": error})

    async def _stream(self) -> None:
        query = {"session_hash": self._session}
        async with self._http.stream("GET", DATA, params=query) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                message = json.loads(line.removeprefix("data:") or "{}")
                if number := message.get("event_id"):
                    self._boxes[number].put_nowait({**message, "text": line})
                elif message.get("msg") == "close_stream":
                    return
                elif message.get("msg") == "unexpected_error":
                    raise Trouble(message["message"])

    async def _beat(self) -> None:
        """The connection by which the server knows that the page is open."""
        with suppress(httpx.HTTPError):
            async with self._http.stream("GET", ALIVE + self._session) as answer:
                async for _ in answer.aiter_lines():
                    pass


def _refuse(message: Mapping[str, Any]) -> None:
    """Raise Trouble where a message tells a person that it did not work."""
    if FULL.search(message["text"]):
        raise Trouble("full")
    if found := re.search(r"That did not work\.</strong> ([^<]*)", message["text"]):
        raise Trouble(found[1])
