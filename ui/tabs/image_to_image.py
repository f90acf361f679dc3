"""Tab "Image to image"."""

import asyncio
import io
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import EngineError
from engine.pictures import as_rgb, fit, open_picture
from engine.service.metadata import read_record
from ui.controls import fit_group, size_group, strength_group
from ui.pictures import Curtain
from ui.session import new_session
from ui.shared import SILENT, Inputs
from ui.stage import Result
from ui.tabs.picture_tab import Example, PictureTab

__all__ = ["ImageToImage"]


class ImageToImage(PictureTab):
    """A picture made into another one."""

    title = "Image to image"
    task = "image-to-image"
    tries = (
        Example("a large shiny blue sphere on a wooden floor", {"image": "red-sphere.png"}),
        Example("a metal green cube on a marble floor", {"image": "blue-cube.png"}),
        Example("a yellow cone and a purple cylinder", {"image": "pair.png"}),
    )

    def settings(self) -> Inputs:
        inputs = self.text_settings()
        inputs |= strength_group(inputs["steps"])
        inputs |= size_group(self.shared, self.task, inputs["model"])
        return inputs | fit_group()

    def look_closer(self) -> None:
        parts = self.parts
        curtain = Curtain(show_label=False, visible=False, elem_classes="curtain")
        both = gr.Checkbox(False, label="Before / after", elem_classes="both")

        async def draw_curtain(
            session: Any, both: bool, results: list[Result], shown: int
        ) -> dict[Component, Any]:
            """The picture that the result began with, and the result."""
            pair = None
            if both and results:
                owner = new_session(session)["owner"]
                pair = await asyncio.to_thread(self._before, results[shown], owner)
            return {
                curtain: gr.update(value=pair, visible=pair is not None),
                parts.picture: gr.update(visible=pair is None),
            }

        gr.on(
            [both.change, parts.results.change, parts.shown.change],
            draw_curtain,
            [self.shared.session, both, parts.results, parts.shown],
            [curtain, parts.picture],
            **SILENT,
        )

    def _before(self, result: Result, owner: str) -> tuple[bytes, str] | None:
        """What a result began with as a PNG of its size, and its address; None if that is gone."""
        try:
            request = read_record(Path(result.path))["request"]
            before = open_picture(self.shared.service.given(request["image"], owner))
            fitted = fit(as_rgb(before), result.width, result.height, request["fit"])
        except (EngineError, OSError, LookupError):
            return None
        file = io.BytesIO()
        fitted.save(file, "PNG")
        return file.getvalue(), result.address

    async def call(
        self,
        image: str,
        prompt: str,
        model: str,
        strength: float = 0.8,
        fit: str = "crop",
        negative_prompt: str = "",
        scheduler: str = "",
        schedule_type: str = "",
        steps: int = 25,
        guidance_scale: float = 5.0,
        width: int = 0,
        height: int = 0,
        seed: int = 0,
        count: int = 1,
        owner: str = "",
    ) -> list[dict[str, Any]]:
        """As text_to_image, beginning with a picture: a PNG, JPEG or WebP file in base64. Of the
        steps, the part that strength says is made. fit is crop, resize or fill.
        """
        return await self.draw(
            owner,
            image=image,
            prompt=prompt,
            model=model,
            strength=strength,
            fit=fit,
            negative_prompt=negative_prompt,
            scheduler=scheduler,
            schedule_type=schedule_type,
            steps=steps,
            guidance_scale=guidance_scale,
            width=width,
            height=height,
            seed=seed,
            count=count,
        )
