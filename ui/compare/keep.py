"""From a board to a PNG: the grid with its labels, and what makes it again."""

from PIL import Image

from engine.service.metadata import encode_png
from ui.compare.board import Board
from ui.compare.markup import cost, decibels
from ui.compare.sheet import Sheet, Tile

__all__ = ["encode_grid", "sheet_of"]


def encode_grid(board: Board) -> bytes:
    """PNG of a board that has finished cells; its record is the plan.

    Takes a while: not for the thread that serves the page. Raises OSError when a picture is gone.
    """
    return encode_png(sheet_of(board).draw(), {"comparison": board.plan.to_dict()})


def sheet_of(board: Board) -> Sheet:
    """The sheet of a board that has a finished cell."""
    plan, tiles = board.plan, [_tile(board, index) for index in range(len(board.cells))]
    size = next(tile.image.size for tile in tiles if tile.image is not None)
    common = [plan.base.model, *plan.fixed, f"{size[0]} × {size[1]}"]
    return Sheet(
        title=plan.base.prompt,
        facts=f"{' · '.join(common)}. dB: PSNR to the framed picture.",
        columns=plan.columns,
        rows=plan.rows,
        tiles=tiles,
        size=size,
    )


def _tile(board: Board, index: int) -> Tile:
    cell = board.cells[index]
    if not cell.path:
        return Tile(None, note=cell.view.message if cell.view.phase == "failed" else "Not drawn")
    with Image.open(cell.path) as file:
        image = file.convert("RGB")
    marked = index == board.reference
    difference = "reference" if marked else decibels(board.differences.get(index))
    return Tile(image, cost(cell), difference, marked=marked)
