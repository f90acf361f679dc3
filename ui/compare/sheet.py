"""A grid as one picture, to keep and to show to others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio
from PIL import Image, ImageDraw, ImageFont

__all__ = ["Sheet", "Tile"]

FONTS = Path(gradio.__file__).parent / "templates/frontend/static/fonts/IBMPlexSans"
"""The page's own font: Latin, Greek and Cyrillic letters."""

PAPER, INK, QUIET, MAT, ACCENT = "#ffffff", "#1b1b1d", "#6b6b68", "#f0f0ee", "#3355d8"
SMALLEST, LARGEST = 256, 512  # long edge of a tile: small pictures are enlarged, large ones reduced
MARGIN, GAP, NARROWEST, GUTTER = 36, 18, 560, 190
LEADING = 1.35


@dataclass(frozen=True)
class Tile:
    """One cell. image: None when there is none; then `note` says why.

    cost, difference: written below it. marked: whether it is the reference.
    """

    image: Image.Image | None
    cost: str = ""
    difference: str = ""
    note: str = ""
    marked: bool = False


class Sheet:
    """A page that is drawn from the top down.

    title: the prompt. facts: what all tiles have in common. tiles: row by row; rows may have no
    label. size: (width, height) of the pictures in pixels.
    """

    def __init__(
        self,
        *,
        title: str,
        facts: str,
        columns: Sequence[str],
        rows: Sequence[str],
        tiles: Sequence[Tile],
        size: tuple[int, int],
    ) -> None:
        self._columns, self._rows, self._tiles = columns, rows, tiles
        edge = max(size)
        scale = min(max(edge, SMALLEST), LARGEST) / edge
        self._tile = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        self._small, self._bold = _font("Regular", 17), _font("Bold", 19)
        widest = max(self._bold.getlength(row) for row in rows)
        gutter = min(GUTTER, round(widest) + 1) + GAP if widest else 0
        self._left = MARGIN + gutter
        tiled = len(columns) * (self._tile[0] + GAP) - GAP
        self._width = max(NARROWEST, self._left + tiled + MARGIN)
        self._title = _Text(title, _font("Bold", 28), self._width - 2 * MARGIN, lines=4)
        self._facts = _Text(facts, self._small, self._width - 2 * MARGIN, lines=3)
        self._heads = [_Text(label, self._bold, self._tile[0], lines=2) for label in columns]
        self._sides = [_Text(label, self._bold, gutter - GAP, lines=4) for label in rows]

    def draw(self) -> Image.Image:
        """The sheet as an RGB picture."""
        head = max(text.height for text in self._heads)
        below = _height(self._small) + 6
        above = MARGIN + self._title.height + 8 + self._facts.height + 26
        first = above + head + 10
        step = self._tile[1] + below + GAP
        height = first + len(self._rows) * step - GAP + MARGIN
        sheet = Image.new("RGB", (self._width, height), PAPER)
        pen = ImageDraw.Draw(sheet)
        self._title.draw(pen, MARGIN, MARGIN, INK)
        self._facts.draw(pen, MARGIN, MARGIN + self._title.height + 8, QUIET)
        for column, text in enumerate(self._heads):
            text.draw(pen, self._x(column), above + head - text.height, INK)
        for row, text in enumerate(self._sides):
            text.draw(pen, MARGIN, first + row * step, INK)
        for index, tile in enumerate(self._tiles):
            row, column = divmod(index, len(self._columns))
            self._draw_tile(sheet, pen, tile, self._x(column), first + row * step)
        return sheet

    def _x(self, column: int) -> int:
        return self._left + column * (self._tile[0] + GAP)

    def _draw_tile(
        self, sheet: Image.Image, pen: ImageDraw.ImageDraw, tile: Tile, x: int, y: int
    ) -> None:
        width, height = self._tile
        box = (x, y, x + width - 1, y + height - 1)
        if tile.image is None:
            pen.rectangle(box, MAT)
            inner = height - 24
            note = _Text(tile.note, self._small, width - 24, lines=inner // _height(self._small))
            note.draw(pen, x + 12, y + 12, QUIET)
        else:
            sheet.paste(
                tile.image.convert("RGB").resize(self._tile, Image.Resampling.LANCZOS), box[:2]
            )
        if tile.marked:
            pen.rectangle((x - 5, y - 5, x + width + 4, y + height + 4), outline=ACCENT, width=3)
        pen.text((x, y + height + 6), tile.cost, QUIET, self._small)
        colour = ACCENT if tile.marked else INK
        pen.text((x + width, y + height + 6), tile.difference, colour, self._small, anchor="ra")


class _Text:
    """A text broken into at most `lines` lines of `width` pixels; the last says if more is left."""

    def __init__(
        self, text: str, font: ImageFont.FreeTypeFont, width: float, *, lines: int
    ) -> None:
        self._font = font
        broken = _broken(text, font, width)
        self._lines = broken[:lines]
        if len(broken) > lines:
            last = self._lines[-1]
            while last and font.getlength(last + "…") > width:
                last = last[:-1]
            self._lines[-1] = last.rstrip() + "…"

    @property
    def height(self) -> int:
        return len(self._lines) * _height(self._font)

    def draw(self, pen: ImageDraw.ImageDraw, x: int, y: int, fill: str) -> None:
        for index, line in enumerate(self._lines):
            pen.text((x, y + index * _height(self._font)), line, fill, self._font)


def _broken(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Lines that fit, broken between words, and within one that is longer than a line."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if font.getlength(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]


def _font(weight: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / f"IBMPlexSans-{weight}.woff2"), size)


def _height(font: ImageFont.FreeTypeFont) -> int:
    return round(font.size * LEADING)
