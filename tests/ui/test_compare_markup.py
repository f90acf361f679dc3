from dataclasses import replace
from pathlib import Path

import pytest

from engine.service.events import Saved
from tests.ui.stub import SECRET
from ui.compare.board import WAITING, Board, Cell, failed
from ui.compare.markup import decibels, pieces, status, totals
from ui.compare.plan import Line, Plan
from ui.pictures import PictureRoute
from ui.stream import View

EVIL = "<img src=x onerror=alert(1)>\"'"
PLAN = Plan.of(
    (Line("scheduler", ("Euler", EVIL)), Line("steps", (4, 8))),
    **{"model": "m", "prompt": EVIL, "width": 64, "height": 32},
)


@pytest.fixture
def done(tmp_path: Path) -> Cell:
    (tmp_path / "a.png").write_bytes(b"png")
    saved = Saved(index=0, seed=0, path=str(tmp_path / "a.png"), width=64, height=32)
    return Cell("job", View("done", "Done", 8, 8, 8, 8, saved=(saved,)), seconds=1.234)


@pytest.fixture
def board(done: Cell) -> Board:
    drawing = Cell("job", View("drawing", "Drawing", 2, 4, 2, 4), preview=b"jpeg")
    board = Board(PLAN, [done, done, drawing, failed(EVIL)], reference=1)
    board.differences = {0: 31.25}
    return board


def grid(board: Board, folder: Path) -> list[str]:
    """The pieces that hold cells."""
    return [piece for piece in pieces(board, PictureRoute(folder, SECRET)) if "data-cell" in piece]


def test_nothing_that_comes_from_outside_is_html(board: Board, tmp_path: Path) -> None:
    html = "".join(pieces(board, PictureRoute(tmp_path, SECRET)))
    assert "<img src=x" not in html and "onerror=alert(1)>" not in html
    assert html.count("&lt;img src=x") >= 4  # column, labels of cells, the error
    board.cells[0] = replace(board.cells[0], view=View("loading", EVIL))
    assert "<img" not in status(board)
    assert "<img" not in totals(board, f"pictures/{EVIL}/a.png")


def test_cells_say_where_they_are(board: Board, tmp_path: Path) -> None:
    first, reference, drawing, bad = grid(board, tmp_path)
    assert 'src="pictures/' in first and "8 calls · 1.23 s" in first and ">31.2 dB<" in first
    assert 'aria-pressed="false"' in first and 'aria-pressed="true"' in reference
    assert 'aria-label="Use the settings of Euler, 4 steps"' in first
    assert 'src="data:image/jpeg;base64,anBlZw=="' in drawing and "step 2 of 4<" in drawing
    assert "--done:0.500" in drawing and "data-refer" not in drawing
    assert "<button" not in bad and 'class="problem"' in bad


def test_labels_stand_where_a_reader_of_tables_finds_them(board: Board, tmp_path: Path) -> None:
    html = "".join(pieces(board, PictureRoute(tmp_path, SECRET)))
    assert html.count('<th scope="col">') == 2 and html.count('<th scope="row">') == 2
    assert html.count("<tr>") == html.count("</tr>") == 3
    assert '<th scope="row"><span>8 steps</span></th>' in html
    assert "--columns:2;--ratio:64 / 32" in html


def test_one_cell_changes_one_piece(board: Board, tmp_path: Path) -> None:
    route = PictureRoute(tmp_path, SECRET)
    before = pieces(board, route)
    board.cells[2] = board.cells[2].seen(View("drawing", "Drawing", 2, 3, 3, 4, preview=b"new"))
    after = pieces(board, route)
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1 and "step 2 of 3 · call 3 of 4<" in changed[0]


def test_the_line_says_how_far_the_grid_is(board: Board) -> None:
    line = status(board)
    assert 'data-phase="drawing"' in line and "Cell 3 of 4" in line
    assert 'data-say="Cell 3 of 4"' in line
    assert "Euler, 8 steps" in line
    assert "--done:0.8750" in line  # three have ended, the other is half way
    board.cells[2] = replace(board.cells[2], view=View("stopped", "Stopped", 2, 4, 2, 4))
    assert "Stopped" in status(board) and "2 of 4 cells" in status(board)
    board.cells[2] = failed("no")
    assert 'data-say="Done: 2 of 4 cells"' in status(board)
    board.cells = [Cell("job", replace(WAITING, message="Waiting: 2 ahead of you"))] * 4
    assert "Cell 1 of 4" in status(board) and "2 ahead of you" in status(board)


def test_costs_add_up(board: Board) -> None:
    assert "2 pictures · 18 calls of the model · 2.5 s" in totals(board)
    assert "download" not in totals(board)
    assert 'download="stepwise-b.png"' in totals(board, "pictures/s/b.png")
    board.cells = [Cell("job")] * 4
    assert totals(board) == ""


@pytest.mark.parametrize(
    ("value", "words"), [(31.26, "31.3 dB"), (float("inf"), "identical"), (None, "")]
)
def test_differences_in_words(value: float | None, words: str) -> None:
    assert decibels(value) == words
