import numpy as np
import pytest
from PIL import Image, ImageChops

from ui.compare.sheet import Sheet, Tile

RED = Image.new("RGB", (64, 32), "#ff0000")


def sheet(title: str = "a red ball", columns: int = 3, rows: tuple[str, ...] = ("4 steps", "8")):
    tiles = [Tile(RED, "4 calls · 0.1 s", "31.2 dB") for _ in range(columns * len(rows))]
    tiles[1] = Tile(RED, "4 calls", "reference", marked=True)
    tiles[-1] = Tile(None, note="The sampler does not fit. " * 40)
    labels = [f"Sampler {index}" for index in range(columns)]
    return Sheet(
        title=title, facts="tabletop", columns=labels, rows=rows, tiles=tiles, size=(64, 32)
    )


def red_runs(image: Image.Image, axis: int) -> int:
    """How many stretches of red there are, seen from above (0) or from the side (1)."""
    red = (np.asarray(image) == (255, 0, 0)).all(-1).any(axis)
    return int(red[0]) + int((red[1:] & ~red[:-1]).sum())


def test_tiles_stand_in_rows_and_columns_enlarged() -> None:
    drawn = sheet().draw()
    assert (red_runs(drawn, 0), red_runs(drawn, 1)) == (3, 2)
    red = (np.asarray(drawn) == (255, 0, 0)).all(-1)
    assert red.sum() == 5 * 256 * 128
    assert drawn.width >= 3 * 256


@pytest.mark.parametrize("size", [(1024, 1024), (2048, 8), (8, 8)])
def test_tiles_have_a_size_that_can_be_looked_at(size: tuple[int, int]) -> None:
    tile = Tile(Image.new("RGB", size, "#ff0000"))
    one = Sheet(title="", facts="", columns=["a"], rows=[""], tiles=[tile], size=size).draw()
    assert max(one.size) < 1000


def test_the_reference_is_framed() -> None:
    accent = (np.asarray(sheet().draw()) == (0x33, 0x55, 0xD8)).all(-1)
    assert accent.sum() > 2 * 3 * (256 + 128)


@pytest.mark.parametrize("part", ["title", "facts", "columns", "rows", "cost", "difference"])
def test_every_word_is_drawn(part: str) -> None:
    words = {"title": "a", "facts": "b", "columns": ["c"], "rows": ["d"]}
    tile = {"cost": "e", "difference": "f"}
    other = {"columns": ["x"], "rows": ["x"]}.get(part, "x")
    drawn = []
    for changes in ({}, {part: other}):
        below = {name: changes.get(name, text) for name, text in tile.items()}
        above = {name: changes.get(name, text) for name, text in words.items()}
        drawn.append(Sheet(**above, tiles=[Tile(RED, **below)], size=RED.size).draw())
    both = [image.resize(drawn[0].size) for image in drawn]
    assert ImageChops.difference(*both).getbbox()


def test_long_words_wrap_and_end() -> None:
    plain, long = sheet().draw(), sheet("word " * 400).draw()
    assert long.width == plain.width
    assert plain.height < long.height < plain.height + 4 * 40
    endless, row = sheet("x" * 5000).draw(), sheet(rows=("y" * 500, "8")).draw()
    assert endless.size == long.size
    assert row.height == plain.height
    assert row.width < plain.width + 200


def test_accents_have_glyphs_of_their_own() -> None:
    letters = "éüßñşЖΩ≈"
    drawn = {sheet(letter).draw().tobytes() for letter in letters}
    assert len(drawn) == len(letters)
