"""What the tabs share that begin with a picture."""

import asyncio
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr
from gradio.components import Component

from engine.errors import EngineError
from engine.pictures import as_rgb, fit, open_picture
from engine.service.metadata import read_request
from ui import markup
from ui.controls import prompt_group
from ui.given import connect_upload, upload
from ui.pictures import inline
from ui.session import NOTHING, kept_in_browser
from ui.shared import SILENT, Inputs, Shared
from ui.stage import Result
from ui.tabs.tab import Tab
from ui.theme import ASSETS

__all__ = ["Example", "PictureTab"]

EXAMPLES = ASSETS / "examples"
LONG_EDGE = 1024
"""Pixels that the page is sent of what a result began with."""


@dataclass(frozen=True)
class Example:
    """Something to try: a prompt, and pictures of assets/examples by the field they are for."""

    prompt: str
    pictures: dict[str, str]

    def path(self, field: str) -> Path:
        return EXAMPLES / self.pictures[field]

    def data(self, field: str) -> bytes | None:
        """The file for a field, None where the example has none."""
        return self.path(field).read_bytes() if field in self.pictures else None


class PictureTab(Tab):
    """A tab whose runs begin with a picture.

    tries: examples. fields: of a Request that name pictures. given, names: field -> where a person
    gives one, and the name that the service has for it.
    """

    tries: ClassVar[tuple[Example, ...]] = ()
    fields: ClassVar[tuple[str, ...]] = ("image",)

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.names = {f: kept_in_browser(f"{self.task}.{f}", "") for f in self.fields}
        self.given = {"image": upload("Picture", render=False)}

    def compose(self) -> Inputs:
        self.place()
        prompt = prompt_group()
        for field, given in self.given.items():
            connect_upload(self.shared, given, self.names[field])
        return prompt | self.names

    def place(self) -> None:
        """Lay out where the pictures are given."""
        self.given["image"].render()

    def offer(self) -> None:
        """Place the examples."""
        outputs: list[Component] = [self.shared.session, self.inputs["prompt"]]
        for field in self.given:
            outputs += [self.names[field], self.given[field]]
        with gr.Column(elem_classes="tries"):
            gr.HTML("<p>Try one of these</p>")
            for one in self.tries:
                button = gr.Button(one.prompt, size="sm", icon=one.path("image"))
                button.click(partial(self.choose, one), self.shared.session, outputs, **SILENT)

    def choose(self, one: Example, session: Any) -> dict[Component, Any]:
        """Updates that give the tab what an example begins with."""
        session = self.shared.owners.session(session)
        updates: dict[Component, Any] = {
            self.shared.session: session,
            self.inputs["prompt"]: one.prompt,
        }
        for field in self.given:
            updates |= self.show(field, one.data(field), session["owner"])
        return updates

    def look_closer(self) -> None:
        parts = self.parts
        curtain = gr.HTML(visible=False, elem_classes="curtain")
        both = gr.Checkbox(False, label="Before / after", elem_classes="both")
        # previews and the film are shown in the place of the picture
        ends = [self.actions.generate.click, parts.film.slider.input]
        gr.on(ends, None, None, both, js="() => false", api_visibility="private")

        async def draw_curtain(
            session: Any, both: bool, results: list[Result], shown: int
        ) -> dict[Component, Any]:
            """The picture that the result began with, and the result."""
            pair = None
            if both and results:
                owner = self.shared.owners.of(session)
                pair = await asyncio.to_thread(self._before, results[shown], owner)
            html = markup.curtain(pair) if pair else ""
            return {
                curtain: gr.update(value=html, visible=pair is not None),
                parts.picture: gr.update(visible=pair is None),
            }

        gr.on(
            [both.change, parts.results.change, parts.shown.change],
            draw_curtain,
            [self.shared.session, both, parts.results, parts.shown],
            [curtain, parts.picture],
            **SILENT,
        )

    def _before(self, result: Result, owner: str) -> list[tuple[str, str]] | None:
        """Addresses of what a result began with, in its shape, and of the result, each with its
        name; None if that is gone."""
        try:
            request = read_request(Path(result.path))
            before = open_picture(self.shared.service.given(request["image"], owner))
            how = request.get("fit", "crop")
            fitted = fit(as_rgb(before), result.width, result.height, how)
            fitted.thumbnail((LONG_EDGE, LONG_EDGE))
        except (EngineError, OSError, LookupError):
            return None
        file = io.BytesIO()
        fitted.save(file, "PNG")
        return [(inline(file.getvalue()), "Before"), (result.address, "After")]

    def show(self, field: str, data: bytes | None, owner: str) -> dict[Component, Any]:
        """Updates that give a picture to the tab, or take it away, as if the person had done so."""
        return self.hold(field, self.shared.service.take(data, owner) if data else "", owner)

    def hold(self, field: str, name: str, owner: str) -> dict[Component, Any]:
        """As `show`, of a picture that the service keeps under this name; "" for none."""
        if not name:
            return {self.names[field]: NOTHING, self.given[field]: None}
        address = self.shared.route.address(self.shared.service.given(name, owner))
        return {self.names[field]: name, self.given[field]: address}
