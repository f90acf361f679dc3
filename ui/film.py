"""The film of a run: a strip of its frames, a slider through them, and a file to keep."""

import asyncio
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Self

import gradio as gr
from gradio.components import Component
from PIL import Image, ImageOps

from engine.service.events import Frame
from engine.service.frames import FILM_FRAMES, grid
from ui import markup
from ui.pictures import inline
from ui.shared import SILENT, warn
from ui.stream import IDLE, View

__all__ = ["NO_REEL", "Film", "Reel", "encode_reel"]

LONG_EDGE = 512
FRAME_TIME, END_TIME = 300, 1500
"""Milliseconds that a frame, and the finished picture, is shown."""

STRIP = """
<div class="film" tabindex="0" role="region" aria-label="Filmstrip, from noise to picture">
  <ol>${value.join('')}</ol>
</div>"""

DOWNLOAD = """(link) => {
  const place = document.createElement("div");
  place.innerHTML = link;
  place.firstElementChild?.click();
}"""


@dataclass(frozen=True)
class Reel:
    """The film of the pictures that a finished run drew last.

    pictures: paths of their PNGs. first: how many of the run come before them. steps: that they
    had in the end.
    """

    frames: tuple[Frame, ...] = ()
    pictures: tuple[str, ...] = ()
    first: int = 0
    steps: int = 0

    @classmethod
    def of(cls, view: View) -> Self:
        paths = tuple(saved.path for saved in view.saved[view.first :])
        return cls(view.film, paths, view.first, view.total)

    @property
    def places(self) -> range:
        """Of the pictures among the results of the page."""
        return range(self.first, self.first + len(self.pictures))

    def label(self, place: int) -> str:
        """Of the frame at a place, 1 to the number of frames."""
        return f"Step {self.frames[place - 1].step} of {self.steps}"


NO_REEL = Reel()


class Film:
    """The components, placed in the current layout.

    reel: the Reel of the latest run, NO_REEL until it has finished.
    """

    def __init__(self) -> None:
        self.strip = gr.HTML(
            markup.film(IDLE),
            html_template=STRIP,
            apply_default_css=False,
            elem_classes="film-line",
        )
        with gr.Row(elem_classes="walk"):
            self.slider = gr.Slider(
                1, FILM_FRAMES, step=1, precision=0, label="Step", interactive=False
            )
            self.save = gr.Button("Save as WebP", size="sm", interactive=False, min_width=120)
        self.reel = gr.State(NO_REEL)
        link = gr.HTML(visible="hidden")
        saved = self.save.click(_offer, self.reel, link, **SILENT)
        saved.then(None, link, js=DOWNLOAD, api_visibility="private")

    @property
    def parts(self) -> list[Component]:
        """What `begin` and `finish` update."""
        return [self.strip, self.slider, self.save, self.reel]

    def begin(self, view: View) -> dict[Component, Any]:
        """Updates for a run that waits to begin."""
        return {self.strip: markup.film(view), self.reel: NO_REEL, **self.rewind(NO_REEL)}

    def finish(self, view: View) -> dict[Component, Any]:
        """Updates for a run that is done: the slider stands at its end."""
        reel = Reel.of(view)
        return {self.reel: reel, **self.rewind(reel)}

    def rewind(self, reel: Reel) -> dict[Component, Any]:
        """Updates that bring the slider to the end of a film. Without one of two frames at least it
        is inactive, which assets/css hides."""
        count = len(reel.frames)
        if count < 2:
            away = gr.update(interactive=False)
            return {self.slider: away, self.save: away}
        last = gr.update(maximum=count, value=count, label=reel.label(count), interactive=True)
        return {self.slider: last, self.save: gr.update(interactive=True)}


async def _offer(reel: Reel) -> str:
    """A link that holds the film: no file, and nobody else can ask for it."""
    if not reel.frames:
        return ""
    try:
        data = await asyncio.to_thread(encode_reel, reel)
    except OSError:
        warn("A picture of the run cannot be read any more: generate again, then save.")
        return ""
    name = f"stepwise-{Path(reel.pictures[0]).stem}.webp"
    return f'<a href="{inline(data)}" download="{escape(name)}"></a>'


def _small(path: str) -> Image.Image:
    with Image.open(path) as picture:
        picture.thumbnail((LONG_EDGE, LONG_EDGE))
        return picture.convert("RGB")


def encode_reel(reel: Reel) -> bytes:
    """Animated WebP of the frames and, for longer, the finished pictures in their place.

    Long edge at most 512. Takes a while: not for the thread that serves the page. Raises OSError
    when a picture is gone.
    """
    last = grid([_small(path) for path in reel.pictures])
    last.thumbnail((LONG_EDGE, LONG_EDGE))
    frames = [
        # padded: where only a part of a picture was worked on, frames have the shape of that
        ImageOps.pad(Image.open(io.BytesIO(frame.preview)), last.size, Image.Resampling.BILINEAR)
        for frame in reel.frames
    ]
    file = io.BytesIO()
    frames[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=[*frames[1:], last],
        duration=[FRAME_TIME] * len(frames) + [END_TIME],
        loop=0,
    )
    return file.getvalue()
