"""Tab "Inpaint"."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.errors import EngineError
from engine.pictures import open_picture
from ui.controls import ENDS, size_group, span, strength_group
from ui.given import upload
from ui.markup import hint
from ui.session import NOTHING, kept_in_browser, kept_name
from ui.shared import SILENT, Inputs, Shared, warn
from ui.sketch import mask_file, sketch, to_paint_on
from ui.tabs.picture_tab import Example, PictureTab

__all__ = ["Inpaint"]

FILLS = [("The picture", "original"), ("Noise", "noise"), ("Nothing", "blank")]
PAINT = "Paint over what is to change."
UPLOADED = "The uploaded mask says what is to change. Take it away to paint."


class Inpaint(PictureTab):
    """A part of a picture painted anew."""

    title = "Inpaint"
    task = "inpaint"
    about = (
        "As image_to_image, painting anew where the mask, of the same size, is white. What the "
        "mask and its blur do not reach stays as it is. With a padding only the marked part and "
        "so many pixels around it are worked on. fill is original, noise or blank."
    )
    defaults: ClassVar[dict[str, Any]] = {"strength": 1.0}
    layout = "halves"
    fields = ("image", "mask")
    tries = (
        Example(
            "a large shiny green sphere on a wooden floor, pink background",
            {"image": "red-sphere.png", "mask": "red-sphere-mask.png"},
        ),
        Example(
            "a large matte yellow cube on a slate floor, sky background",
            {"image": "blue-cube.png", "mask": "cube-mask.png"},
        ),
        Example(
            "a large matte purple cone, cream background",
            {"image": "pair.png", "mask": "pair-mask.png"},
        ),
    )

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.given["mask"] = upload("Mask: white is painted anew", render=False)
        self._sketch = sketch("Paint over what is to change", visible=False, render=False)
        # of the browser, as the values of gr.State do not reach what looks at raw values
        self._mask = kept_in_browser("inpaint.painted", "")

    def place(self) -> None:
        image, pad, name = self.given["image"], self._sketch, self.names["image"]
        image.render()
        pad.render()
        note = gr.HTML(hint(PAINT), elem_classes="hint")
        with gr.Row(elem_classes="sketching", visible=False) as tools:
            clear = gr.Button("Clear mask", size="sm", min_width=100)
            change = gr.Button("Change picture", size="sm", min_width=120)
        self._invert = gr.Checkbox(False, label="Invert mask: keep what is painted over")
        with gr.Accordion("Upload a mask", open=False):
            self.given["mask"].render()

        def canvas(session: Any, name: Any) -> dict[Component, Any]:
            picture = self._picture(session, name)
            there = picture is not None
            return {
                image: gr.update(visible=not there),
                pad: gr.update(value=picture, visible=there),
                tools: gr.update(visible=there),
            }

        inputs = [self.shared.session, name]
        name.change(canvas, inputs, [image, pad, tools], **SILENT)
        self.names["mask"].change(
            lambda name: hint(UPLOADED if kept_name(name) else PAINT),
            self.names["mask"],
            note,
            **SILENT,
        )
        clear.click(self._picture, inputs, pad, **SILENT)
        taken = [*self.names.values(), *self.given.values()]
        change.click(lambda: (NOTHING, NOTHING, None, None), None, taken, **SILENT)

    def compose(self) -> Inputs:
        return super().compose() | {"mask": self._mask, "invert_mask": self._invert}

    def settings(self) -> Inputs:
        inputs = self.text_settings()
        inputs |= strength_group(inputs["steps"], 1.0)
        inputs["fill"] = gr.Radio(FILLS, value="original", label="Begin with")
        blur = span("mask_blur", 4, ENDS["mask_blur"])
        inputs["mask_blur"] = gr.Slider(**blur, value=4, step=1, label="Mask blur, pixels")
        only = gr.Checkbox(False, label="Work on the marked part alone")
        around = span("padding", 32, ENDS["padding"])
        padding = gr.Slider(**around, value=32, step=1, label="Pixels around it", visible=False)
        only.change(lambda only: gr.update(visible=only), only, padding, **SILENT)
        inputs |= {"only_marked": only, "padding": padding}
        return inputs | size_group(self.shared, self.task, inputs["model"])

    def started(self, button: gr.Button) -> Callable[..., Dependency]:
        """What is painted becomes a mask of the size of the picture first."""

        async def paint(session: Any, image: Any, uploaded: Any, layers: list[bytes]) -> Any:
            owner = self.shared.owners.of(session)
            if kept_name(uploaded):
                return uploaded
            try:
                return await asyncio.to_thread(self._painted, owner, kept_name(image), layers)
            except EngineError as error:
                warn(str(error))
                return NOTHING

        names = [self.names["image"], self.names["mask"]]
        inputs = [self.shared.session, *names, self._sketch]
        return button.click(paint, inputs, self._mask, **SILENT).success

    def _painted(self, owner: str, image: str, layers: list[bytes]) -> str:
        """The name of what is painted over a picture, or `NOTHING`."""
        if not image:
            return NOTHING
        service = self.shared.service
        mask = mask_file(layers, open_picture(service.given(image, owner)).size)
        return service.take(mask, owner) if mask else NOTHING

    def _picture(self, session: Any, name: Any) -> Any:
        """What is painted over; None where nothing was given. Takes a while for a large one."""
        try:
            path = self.shared.service.given(kept_name(name), self.shared.owners.of(session))
            return to_paint_on(open_picture(path))
        except EngineError:
            return None
