"""Tab "Depth to image"."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import gradio as gr
from gradio.components import Component

from engine.errors import EngineError
from engine.pictures import as_depth, depth_picture, open_picture
from engine.service.frames import jpeg
from ui.controls import fit_group, size_group, strength_group
from ui.given import upload
from ui.markup import hint
from ui.pictures import Stage
from ui.session import kept_name
from ui.shared import SILENT, Inputs, Shared
from ui.tabs.picture_tab import Example, PictureTab

__all__ = ["DepthToImage"]

EMPTY = "The depth of the picture appears here."
EFFECTS = (
    (0.9, "Colours and materials are all new; the depth keeps things in place."),
    (0.5, "Colours and materials follow the prompt, with a tint of the picture."),
    (0, "The picture stays much as it is."),
)
"""From which strength on a run does what to a picture whose depth it keeps."""


class DepthToImage(PictureTab):
    """A picture made into another one of the same depth."""

    title = "Depth to image"
    task = "depth-to-image"
    about = (
        "As image_to_image, keeping the depth of the picture: an estimate, or that of the depth "
        "map, where white is near unless it is inverted."
    )
    defaults: ClassVar[dict[str, Any]] = {"strength": 1.0}
    fields = ("image", "depth_map")
    tries = (
        Example("a metal green sphere on a marble floor", {"image": "red-sphere.png"}),
        Example("a shiny red cube on a wooden floor", {"image": "blue-cube.png"}),
        Example("a purple cone and a yellow cylinder on a blue floor", {"image": "pair.png"}),
    )

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.given["depth_map"] = upload("Depth map: white is near", render=False)

    def place(self) -> None:
        super().place()
        self._seen = Stage(
            label="Depth",
            show_label=False,
            interactive=False,
            buttons=[],
            visible=False,
            elem_classes="depth",
            alt_text="Depth of the picture: what is near is white",
        )
        self._note = gr.HTML(hint(EMPTY), elem_classes=["hint", "depth-note"])
        with gr.Accordion("Upload a depth map", open=False):
            self.given["depth_map"].render()
            self._invert = gr.Checkbox(False, label="Invert it: black is near")

    def compose(self) -> Inputs:
        return super().compose() | {"invert_depth": self._invert}

    def settings(self) -> Inputs:
        inputs = self.text_settings()
        inputs |= strength_group(inputs["steps"], 1.0, EFFECTS)
        inputs |= size_group(self.shared, self.task, inputs["model"]) | fit_group()
        asked: list[Any] = [
            self.names["image"],
            self.names["depth_map"],
            self._invert,
            inputs["model"],
        ]
        # an estimator is not loaded for who never looks here
        looked = gr.State(False)
        self.tab.select(lambda: True, None, looked, **SILENT)
        gr.on(
            [component.change for component in (looked, *asked)],
            self.look,
            [self.shared.session, looked, *asked],
            [self._seen, self._note],
            trigger_mode="always_last",
            **SILENT,
        )
        return inputs

    async def look(
        self, session: Any, looked: bool, image: Any, depth_map: Any, invert: bool, model: Any
    ) -> AsyncIterator[dict[Component, Any]]:
        """Show the depth of the whole picture, of which a run keeps what the size leaves: the map
        that was given, or what is estimated. looked: whether the tab has been opened yet.
        """
        if not looked:
            yield {self._note: gr.skip()}
            return
        owner = self.shared.owners.of(session)
        try:
            if own := kept_name(depth_map):
                note = "The depth map that you gave: what is near is white."
                seen = await asyncio.to_thread(self._own, own, owner, invert)
            elif (name := kept_name(image)) and model:
                yield {self._note: hint("Estimating the depth …")}
                note = "The depth as the model sees it: what is near is white."
                seen = await self._estimated(name, owner, str(model))
            else:
                note, seen = EMPTY, None
        except EngineError as error:
            note, seen = str(error), None
        yield {
            self._seen: gr.update(value=seen, visible=seen is not None),
            self._note: hint(note),
        }

    def _own(self, name: str, owner: str, invert: bool) -> bytes:
        depth = as_depth(open_picture(self.shared.service.given(name, owner)))
        return jpeg(depth_picture(-depth if invert else depth))

    async def _estimated(self, name: str, owner: str, model: str) -> bytes:
        service = self.shared.service
        path = service.given(name, owner)
        while service.status["state"] == "starting":
            await asyncio.sleep(0.2)
        return base64.b64decode(await service.query("depth", model=model, picture=str(path)))
