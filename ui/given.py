"""Pictures that a person gives: an upload, kept by the service, and the name that it has there."""

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.data_classes import ImageData

from engine.errors import EngineError, RequestError
from engine.service import Service
from ui.pictures import address_of
from ui.session import NOTHING, kept_name
from ui.shared import SILENT, Shared, warn

__all__ = ["Given", "connect_upload", "take_all", "upload"]


class Given(gr.Image):
    """An image that gives its file as it is, undecoded, and takes an address of PictureRoute."""

    is_template = True

    def preprocess(self, payload: ImageData | None) -> bytes | None:  # type: ignore[override]
        """The path is one of Gradio's own uploads: it refuses others before."""
        return Path(payload.path).read_bytes() if payload and payload.path else None

    def postprocess(self, value: str | None) -> ImageData | None:  # type: ignore[override]
        return address_of(value) if value else None


def upload(label: str, **more: Any) -> Given:
    """Place an upload in the current layout: from a file, the clipboard or a camera."""
    return Given(
        label=label,
        sources=["upload", "clipboard", "webcam"],
        type="filepath",
        image_mode=None,
        buttons=[],
        elem_classes="given",
        **more,
    )


def connect_upload(shared: Shared, image: Given, name: gr.BrowserState) -> None:
    """Keep what is given to `image`, its name in `name`; a reload brings it back."""

    async def take(session: Any, data: bytes | None) -> dict[Component, Any]:
        session = shared.owners.session(session)
        if data is None:
            return {name: NOTHING}
        try:
            kept = await asyncio.to_thread(shared.service.take, data, session["owner"])
        except EngineError as error:
            warn(str(error))
            return {name: NOTHING, image: None}
        return {shared.session: session, name: kept}

    def again(owner: str, kept: Any) -> dict[Component, Any]:
        if not kept_name(kept):
            return {}
        try:
            path = shared.service.given(kept_name(kept), owner)
        except RequestError:
            return {name: NOTHING}
        return {image: shared.route.address(path)}

    outputs = [shared.session, name, image]
    gr.on(
        [image.input, image.clear],
        take,
        [shared.session, image],
        outputs,
        trigger_mode="always_last",  # what is given while an earlier one is looked at counts too
        **SILENT,
    )
    shared.opening.add(again, [name], [name, image])


async def take_all(service: Service, owner: str, pictures: Mapping[str, str]) -> dict[str, str]:
    """Names of pictures that a caller of the API sent in base64, by field.

    A data URL is one too; an empty text stays one. Raises RequestError naming the field.
    """
    names = {}
    for field, text in pictures.items():
        try:
            data = base64.b64decode(text.partition(",")[2] or text, validate=True)
            names[field] = await asyncio.to_thread(service.take, data, owner) if data else ""
        except EngineError as error:
            raise RequestError(f"{field}: {error}") from None
        except (ValueError, AttributeError):
            raise RequestError(f"{field} is no base64: encode the file.") from None
    return names
