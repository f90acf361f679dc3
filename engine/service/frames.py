"""Preview frames: small, few, and cheap beside the run that they show."""

import io
import math
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from PIL import Image

__all__ = ["FILM_FRAMES", "Film", "FrameClock", "film_steps", "grid", "jpeg"]

T = TypeVar("T")

LONG_EDGE = 256
FINE_WIDTH = 64
INTERVAL = 1 / 8
SHARE = 0.03

FILM_FRAMES = 16


class FrameClock:
    """Decides when a frame is due, and counts what frames have cost.

    At most 8 a second by wall clock; fewer where a frame is so dear that 8 would take more than 3 %
    of the run. Frames of a film come besides, and count in the cost alone.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._next = -math.inf
        self.frames = 0
        self.seconds = 0.0

    @property
    def due(self) -> bool:
        return self._clock() >= self._next

    def encode(self, preview: Callable[[T], Sequence[Image.Image]], progress: T) -> bytes:
        """JPEG of the pictures that `preview` makes of `progress`."""
        began = self._clock()
        data = self.encode_film(preview, progress)
        cost = self._clock() - began
        self.frames += 1
        # The first frame also pays for what is made once, and tells nothing of the next.
        self._next = began + (INTERVAL if self.frames == 1 else max(INTERVAL, cost / SHARE))
        return data

    def encode_film(self, film: Callable[[T], Sequence[Image.Image]], progress: T) -> bytes:
        """As `encode`, of what a film shows: no preview, and none is put off by it."""
        began = self._clock()
        data = jpeg(grid(film(progress)))
        self.seconds += self._clock() - began
        return data


def film_steps(total: int) -> list[int]:
    """The steps, of 1 to `total`, that a film shows: at most 16, evenly spaced, both ends too."""
    count = min(FILM_FRAMES, total)
    return [1 + index * (total - 1) // max(count - 1, 1) for index in range(count)]


class Film:
    """Decides after which steps a film has a frame, also where their number changes on the way."""

    def __init__(self) -> None:
        self._frames = 0

    def place(self, step: int, total: int) -> tuple[int, int] | None:
        """Index of the frame after a step, and of how many; None where there is none."""
        places = film_steps(total)
        last = step == total
        due = self._frames < len(places) - 1 and step >= places[self._frames]
        if not (last or due):
            return None
        self._frames += 1
        return self._frames - 1, self._frames if last else len(places)


def grid(images: Sequence[Image.Image]) -> Image.Image:
    """Images of one size side by side, as near to a square as their number allows."""
    if len(images) == 1:
        return images[0]
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    width, height = images[0].size
    sheet = Image.new("RGB", (columns * width, rows * height))
    for index, image in enumerate(images):
        sheet.paste(image, (index % columns * width, index // columns * height))
    return sheet


def jpeg(image: Image.Image) -> bytes:
    """JPEG with a long edge of at most 256 pixels."""
    small = image.convert("RGB")
    small.thumbnail((LONG_EDGE, LONG_EDGE), Image.Resampling.BILINEAR)
    # Shown enlarged, pictures of few pixels would show their blocks and halved colours.
    quality, subsampling = (90, "4:4:4") if small.width <= FINE_WIDTH else (80, "4:2:0")
    file = io.BytesIO()
    small.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()
