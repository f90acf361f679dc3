"""The HTML of a grid. Every value is escaped: `gr.HTML` escapes nothing."""

import base64
import math
from html import escape

from ui.compare.board import Board, Cell
from ui.markup import counted
from ui.pictures import PictureRoute

__all__ = ["EMPTY", "cost", "decibels", "pieces", "status", "totals"]

EMPTY = ['<div class="grid-empty"><p>Your grid fills here, cell by cell</p></div>']


def pieces(board: Board, route: PictureRoute) -> list[str]:
    """The grid in pieces, a cell each: Gradio sends only those that have changed."""
    columns, count = board.plan.columns, len(board.plan.columns)
    heads = "".join(f'<th scope="col">{escape(label)}</th>' for label in columns)
    corner = "<td></td>" if board.plan.rows[0] else ""
    base = board.plan.base
    ratio = f"{base.width or 1} / {base.height or 1}"
    done = [
        '<div class="scroll" tabindex="0" role="region" aria-label="Grid of pictures">'
        f'<table style="--columns:{count};--ratio:{ratio}"><thead><tr>{corner}{heads}</tr></thead>'
        "<tbody>"
    ]
    for row, label in enumerate(board.plan.rows):
        side = f'<th scope="row"><span>{escape(label)}</span></th>' if label else ""
        cells = [_cell(board, row * count + column, route) for column in range(count)]
        done += [f"<tr>{side}", *cells, "</tr>"]
    return [*done, "</tbody></table></div>", _hint(board)]


def _cell(board: Board, index: int, route: PictureRoute) -> str:
    cell, label = board.cells[index], escape(board.plan.label(index))
    if cell.view.phase == "failed":
        inside = f'<p class="problem">{escape(cell.view.message)}</p>'
    else:
        inside = (
            f'<button type="button" class="use" data-use="{index}" '
            f'title="Use these settings in Text to image" aria-label="Use the settings of {label}">'
            f"{_picture(cell, label, route)}</button>"
        )
    return (
        f'<td data-phase="{cell.view.phase}" data-cell="{index}">{inside}'
        f'<div class="under-cell"><span class="cost">{escape(cost(cell))}</span>'
        f"{_reference(board, index, label)}</div></td>"
    )


def _picture(cell: Cell, label: str, route: PictureRoute) -> str:
    share = cell.view.share
    source = ""
    if cell.path:
        source = escape(route.address(cell.path))
    elif cell.preview is not None:
        source = f"data:image/jpeg;base64,{base64.b64encode(cell.preview).decode()}"
    image = f'<img src="{source}" alt="{label}">' if source else ""
    if cell.view.phase == "done":
        return image
    bar = f'<span class="bar" style="--done:{share:.3f}"></span>' if share else ""
    return f'{image}<span class="word">{escape(_word(cell))}</span>{bar}'


def _word(cell: Cell) -> str:
    """What is written over a cell that is not finished."""
    if cell.view.phase == "drawing" and cell.preview is not None:
        return ""
    words = {"queued": "Waiting", "loading": "Loading", "stopped": "Stopped"}
    return words.get(cell.view.phase, "Drawing")


def cost(cell: Cell) -> str:
    """What a cell has cost so far."""
    view = cell.view
    if view.phase == "done":
        return f"{counted(view.call, 'call')} · {_seconds(cell.seconds)}"
    if view.phase == "drawing" and view.step:
        return view.place
    return f"after {view.place}" if view.phase == "stopped" and view.step else ""


def _reference(board: Board, index: int, label: str) -> str:
    """The button that makes a finished cell the reference; it carries the difference to it."""
    if not board.cells[index].path:
        return ""
    if index == board.reference:
        shown, pressed, said = "reference", "true", f"{label} is the reference"
    else:
        shown = decibels(board.differences.get(index))
        pressed, said = "false", f"{shown or label}: make {label} the reference"
    return (
        f'<button type="button" class="refer" data-refer="{index}" aria-pressed="{pressed}" '
        f'title="Difference to the reference; press to make this one the reference" '
        f'aria-label="{said}">{shown or "compare"}</button>'
    )


def decibels(value: float | None) -> str:
    """A difference as it is written; nothing for one that is not known."""
    if value is None:
        return ""
    return f"{value:.1f} dB" if math.isfinite(value) else "identical"


def _hint(board: Board) -> str:
    if not board.paths:
        return ""
    return (
        '<p class="hint">Press a picture to take its settings to Text to image. '
        "The number at its corner is its distance to the reference in dB (PSNR): the higher, the "
        "more alike. Press it to make that picture the reference.</p>"
    )


def status(board: Board) -> str:
    """The line under the grid; `data-say` is read out when it changes."""
    ended = [cell for cell in board.cells if not cell.view.running]
    count, done = len(board.cells), len(board.paths)
    if board.running:
        index = next(i for i, cell in enumerate(board.cells) if cell.view.running)
        view = board.cells[index].view
        phase, strong = view.phase, f"Cell {index + 1} of {count}"
        parts = [board.plan.label(index), "" if view.phase == "drawing" else view.message]
        parts += [f"about {_time(board.left)} left" if board.left else ""]
        said = strong
        share = (len(ended) + view.share) / count
    else:
        stopped = any(cell.view.phase == "stopped" for cell in board.cells)
        phase, strong, share = ("stopped", "Stopped", 0) if stopped else ("done", "Done", 1)
        parts = [f"{done} of {count} cells"]
        said = f"{strong}: {parts[0]}"
    text = " · ".join(filter(None, parts))
    return (
        f'<div class="line" data-phase="{phase}" data-say="{escape(said)}" data-done="{done}">'
        f'<div class="bar" style="--done:{share:.4f}"></div>'
        f"<p><strong>{escape(strong)}</strong> <span>{escape(text)}</span></p></div>"
    )


def totals(board: Board, saved: str = "") -> str:
    """What the grid has cost, and its download once it was saved at an address."""
    if not board.paths:
        return ""
    pictures, calls = counted(len(board.paths), "picture"), counted(board.calls, "call")
    cost = f"{pictures} · {calls} of the model · {board.seconds:.1f} s"
    link = ""
    if saved:
        name = f"stepwise-{saved.rpartition('/')[2]}"
        link = f'<a href="{escape(saved)}" download="{escape(name)}">Download PNG</a>'
    return f'<div class="facts"><p>{escape(cost)}</p>{link}</div>'


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
