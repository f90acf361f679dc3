"""Preview frames: small, few, and cheap beside the run that they show."""

import io
import math
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from PIL import Image

__all__ = ["FrameClock", "grid", "jpeg"]

T = TypeVar("T")

LONG_EDGE = 256
INTERVAL = 1 / 8
SHARE = 0.03


class FrameClock:
    """Decides when a frame is due, and counts what frames have cost.

    At most 8 a second by wall clock; fewer where a frame is so dear that 8 would take more than 3 %
    of the run.
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
        data = jpeg(grid(preview(progress)))
        cost = self._clock() - began
        self.frames += 1
        self.seconds += cost
        # The first frame also pays for what is made once, and tells nothing of the next.
        self._next = began + (INTERVAL if self.frames == 1 else max(INTERVAL, cost / SHARE))
        return data


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
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    return file.getvalue()
