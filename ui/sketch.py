"""A sketchpad over a picture, and the mask that is painted on it."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.base import server
from gradio.components.image_editor import AcceptBlobs, EditorData
from PIL import Image, ImageChops

from engine.pictures import as_rgb, open_picture

__all__ = ["Sketch", "mask_file", "sketch", "to_paint_on"]

LEAST, MOST = 512, 1024
"""Pixels of the long edge that is painted on: few for the browser, enough for a brush."""


class Sketch(gr.ImageEditor):
    """Takes a Pillow picture to paint over, and gives what was painted as files, undecoded."""

    is_template = True

    def preprocess(self, payload: EditorData | None) -> list[bytes]:  # type: ignore[override]
        """The paths are of Gradio's own uploads: it refuses others before."""
        return [Path(layer.path).read_bytes() for layer in payload.layers] if payload else []

    def postprocess(self, value: Image.Image | None) -> EditorData | None:  # type: ignore[override]
        """value: as `to_paint_on` makes it."""
        if value is None:
            return None
        return super().postprocess({"background": value, "layers": [], "composite": None})

    @server
    def accept_blobs(self, data: AcceptBlobs) -> None:
        """Gradio would keep what anyone sends to its other way of receiving layers."""


def sketch(label: str, **more: Any) -> Sketch:
    """Make a sketchpad for one colour."""
    # no __init__ of its own: Gradio takes what the browser is told from the arguments of that
    return Sketch(
        label=label,
        sources=[],
        transforms=[],
        layers=False,
        brush=gr.Brush(colors=[("#ff2d78", 0.7)], color_mode="fixed"),
        eraser=gr.Eraser(),
        format="png",
        buttons=[],
        show_label=False,
        height=460,
        **more,
    )


def to_paint_on(picture: Image.Image) -> Image.Image:
    """A copy of a picture in RGB, in a size for the browser."""
    picture = as_rgb(picture)
    long = max(picture.size)
    scale = min(max(long, LEAST), MOST) / long
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def mask_file(layers: Sequence[bytes], size: tuple[int, int]) -> bytes | None:
    """A PNG of the size given, white where any layer is painted on; None where none is.

    Raises `PictureError` for what is no picture.
    """
    mask: Image.Image | None = None
    for layer in layers:
        painted = open_picture(layer).convert("RGBA").getchannel("A").point(lambda a: 255 * (a > 0))
        mask = painted if mask is None else ImageChops.lighter(mask, painted.resize(mask.size))
    if mask is None or mask.getbbox() is None:
        return None
    file = io.BytesIO()
    mask.resize(size, Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()
