"""How finished pictures reach the page: a route of ours, and components that take its addresses.

Gradio would copy each picture into a cache that it clears by age, or serve the whole folder to
everyone (`allowed_paths`). Instead the service's own PNG is served, byte for byte, at an address
that carries a signature: only who was given it, the owner of the job, can ask for it. Previews
travel inside the event as data: no file, no second request.
"""

import base64
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import BoundedSemaphore

import gradio as gr
from gradio.components.gallery import GalleryData, GalleryImage
from gradio.data_classes import ImageData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from engine.errors import PictureError
from engine.pictures import as_rgb, open_picture
from engine.service.frames import jpeg
from engine.service.index import TRASH
from ui.secret import is_signed, sign

__all__ = ["PictureRoute", "Shelf", "Stage", "address_of", "inline"]

SMALL = 256
"""Pixels along the longer edge of a thumbnail."""
DECODING = BoundedSemaphore(2)
"""So that a page full of thumbnails leaves something of the processor to the model."""
KEPT = {"Cache-Control": "private, max-age=86400"}


class PictureRoute:
    """Signs and serves the files of one folder. Signatures last as long as the secret."""

    def __init__(self, outputs: Path, secret: bytes) -> None:
        self._outputs = outputs.resolve()
        self._named = outputs.absolute()
        self._secret = secret

    def address(self, path: str | Path) -> str:
        """Relative to the page, so that it holds behind any proxy. path: within the folder, links
        as they are: none is followed."""
        name = Path(path).absolute().relative_to(self._named).as_posix()
        return f"pictures/{sign(self._secret, name)}/{name}"

    def thumbnail(self, path: str | Path) -> str:
        """Of a small JPEG of the picture; where there is none any more, nothing answers."""
        return self.address(path).replace("pictures", "thumbnails", 1)

    def routes(self) -> list[Route]:
        """For the application that the page is part of."""
        return [
            Route("/pictures/{signature}/{name:path}", self._serve),
            Route("/thumbnails/{signature}/{name:path}", self._serve_small),
        ]

    def _path(self, request: Request) -> Path:
        name = request.path_params["name"]
        path = self._outputs / name
        if not is_signed(self._secret, name, request.path_params["signature"]):
            raise HTTPException(404, "No such picture.")
        if not path.is_file():  # a page shows it still, but it is in the trash
            owner, _, rest = name.partition("/")
            path = self._outputs / owner / TRASH / rest
        if not path.is_file() or path.resolve() != path:
            raise HTTPException(404, "No such picture.")
        return path

    def _serve_small(self, request: Request) -> Response:
        """In a thread of the pool, as it is no coroutine."""
        path = self._path(request)
        try:
            data = _small(path, path.stat().st_mtime_ns)
        except (OSError, PictureError):
            raise HTTPException(404, "No such picture.") from None
        return Response(data, media_type="image/jpeg", headers=KEPT)

    async def _serve(self, request: Request) -> FileResponse:
        path = self._path(request)
        with path.open("rb") as file:
            kind = media_type(file.read(12))
        return FileResponse(path, media_type=kind, headers=KEPT)


@lru_cache(2000)
def _small(path: Path, changed: int) -> bytes:
    """The JPEG of a thumbnail. changed: when the file was, to tell it from an earlier one."""
    with DECODING:
        image = as_rgb(open_picture(path))
        image.thumbnail((SMALL, SMALL))
        return jpeg(image)


def media_type(head: bytes) -> str:
    """Of a file of the service, by its first bytes: runs begin with pictures of any kind, and
    several are taken along as a ZIP."""
    if head[:2] == b"PK":
        return "application/zip"
    if head[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    return "image/webp" if head[8:12] == b"WEBP" else "image/png"


def inline(data: bytes) -> str:
    """An address that is the file itself."""
    return f"data:{media_type(data[:12])};base64,{base64.b64encode(data).decode()}"


class Stage(gr.Image):
    """An image that takes a file's bytes (a preview) or an address of PictureRoute."""

    is_template = True

    def postprocess(self, value: bytes | str | None) -> ImageData | None:  # type: ignore[override]
        if isinstance(value, bytes):
            return ImageData(url=inline(value), orig_name="preview")
        return address_of(value) if value else None


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
