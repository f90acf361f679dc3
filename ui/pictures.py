"""How finished pictures reach the page: a route of ours, and components that take its addresses.

Gradio would copy each picture into a cache that it clears by age, or serve the whole folder to
everyone (`allowed_paths`). Instead the service's own PNG is served, byte for byte, at an address
that carries a signature: only who was given it, the owner of the job, can ask for it. Previews
travel inside the event as data: no file, no second request.
"""

import base64
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from gradio.components.gallery import GalleryData, GalleryImage
from gradio.components.imageslider import SliderData
from gradio.data_classes import ImageData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from ui.secret import is_signed, sign

__all__ = ["Curtain", "PictureRoute", "Shelf", "Stage", "address_of"]


class PictureRoute:
    """Signs and serves the files of one folder. Signatures last as long as the secret."""

    def __init__(self, outputs: Path, secret: bytes) -> None:
        self._outputs = outputs.resolve()
        self._secret = secret

    def address(self, path: str | Path) -> str:
        """Relative to the page, so that it holds behind any proxy."""
        name = Path(path).resolve().relative_to(self._outputs).as_posix()
        return f"pictures/{sign(self._secret, name)}/{name}"

    def route(self) -> Route:
        return Route("/pictures/{signature}/{name:path}", self._serve)

    async def _serve(self, request: Request) -> FileResponse:
        name = request.path_params["name"]
        path = self._outputs / name
        signed = is_signed(self._secret, name, request.path_params["signature"])
        if not signed or not path.is_file():
            raise HTTPException(404, "No such picture.")
        with path.open("rb") as file:
            kind = media_type(file.read(12))
        return FileResponse(
            path, media_type=kind, headers={"Cache-Control": "private, max-age=86400"}
        )


def media_type(head: bytes) -> str:
    """Of a file of the service, by its first bytes: runs begin with pictures of any kind."""
    if head[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    return "image/webp" if head[8:12] == b"WEBP" else "image/png"


class Stage(gr.Image):
    """An image that takes JPEG bytes (a preview) or an address of PictureRoute."""

    is_template = True

    def postprocess(self, value: bytes | str | None) -> ImageData | None:  # type: ignore[override]
        if isinstance(value, bytes):
            data = base64.b64encode(value).decode()
            return ImageData(url=f"data:image/jpeg;base64,{data}", orig_name="preview.jpg")
        return address_of(value) if value else None


class Curtain(gr.ImageSlider):
    """Two pictures behind each other: takes one as a PNG, the other as an address."""

    is_template = True

    def postprocess(  # type: ignore[override]
        self, value: tuple[bytes, str] | None
    ) -> SliderData | None:
        if value is None:
            return None
        data = base64.b64encode(value[0]).decode()
        before = ImageData(url=f"data:image/png;base64,{data}", orig_name="before.png")
        return SliderData(root=(before, address_of(value[1])))


class Shelf(gr.Gallery):
    """A gallery that takes (address, caption) pairs."""

    is_template = True

    def postprocess(  # type: ignore[override]
        self, value: Sequence[tuple[str, str]] | None
    ) -> GalleryData:
        return GalleryData(
            root=[
                GalleryImage(image=address_of(url), caption=caption) for url, caption in value or ()
            ]
        )


def address_of(address: str) -> ImageData:
    """What a component of pictures shows for an address of PictureRoute."""
    return ImageData(url=address, orig_name=address.rpartition("/")[2], mime_type="image/png")
