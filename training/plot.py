"""What a run leaves to look at: its loss over time, and pictures side by side."""

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from training.dataset import to_bytes

__all__ = ["save_plot", "tiles"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 400, 72, 40, 32
_INK, _GRID, _LINE = (40, 44, 52), (224, 226, 230), (58, 92, 220)


def save_plot(points: Sequence[tuple[float, float]], path: Path, title: str) -> None:
    """Draw (minutes, loss) with the loss on a logarithmic scale; losses must be above 0."""
    if not points:
        return
    picture = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    latest = max(max(minutes for minutes, _ in points), 1e-3)
    logs = [math.log10(loss) for _, loss in points]
    low, high = min(logs), max(logs)
    high = max(high, low + 0.05)
    wide, tall = _WIDTH - _LEFT - 24, _HEIGHT - _BOTTOM - _TOP

    def place(minutes: float, log: float) -> tuple[float, float]:
        return _LEFT + wide * minutes / latest, _TOP + tall * (high - log) / (high - low)

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        log = low + share * (high - low)
        left, y = place(0, log)
        draw.line([(left, y), (left + wide, y)], _GRID)
        draw.text((left - 8, y), f"{10**log:.3g}", _INK, font, anchor="rm")
        x, foot = place(share * latest, low)
        draw.text((x, foot + 8), f"{share * latest:.1f}", _INK, font, anchor="mt")
    draw.line(
        [place(minutes, log) for (minutes, _), log in zip(points, logs, strict=True)], _LINE, 2
    )
    draw.text((_LEFT, 8), f"{title}: loss over minutes", _INK, font)
    picture.save(path)


def tiles(pixels: Tensor, columns: int) -> Image.Image:
    """Pictures (N, 3, H, W) in -1..1 side by side; N is a multiple of columns."""
    rows = pixels.unflatten(0, (-1, columns)).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    return Image.fromarray(to_bytes(rows.clamp(-1, 1) / 2 + 0.5).numpy())
