"""Every piece of HTML that carries a value. `gr.HTML` escapes nothing, so all is escaped here."""

import base64
import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from engine.service.events import Frame
from engine.service.frames import FILM_FRAMES
from engine.service.recall import Recalled
from ui.changes import told
from ui.stream import View
from ui.theme import ASSETS

__all__ = [
    "alert",
    "counted",
    "curtain",
    "device",
    "film",
    "header",
    "hint",
    "recalled",
    "starts",
    "status",
]

HINT = "Settings marked live take effect at the next step."


def header() -> str:
    mark = (ASSETS / "icons" / "mark.svg").read_text(encoding="utf-8")
    return f'<div class="brand">{mark}<h1>Stepwise</h1></div>'


def device(status: Mapping[str, Any]) -> str:
    """The state of the worker in two or three words."""
    words = {"starting": "Engine starting…", "ready": "Ready", "busy": "Working"}
    state = str(status.get("state", "starting"))
    text = words.get(state, "Engine stopped")
    if state in ("ready", "busy"):
        text = " · ".join([text, *(str(status[k]) for k in ("device", "dtype") if status.get(k))])
    why = escape(str(status.get("message") or ""))
    return f'<p class="chip" data-state="{escape(state)}" title="{why}">{escape(text)}</p>'


def recalled(told: Recalled, left: Mapping[str, str], title: str) -> str:
    """What became of the settings of a picture. left: those that a tab of this title lacks."""
    words = f"The settings that {told.app} wrote into the picture are in {title}."
    if (count := told.settings.get("batch_size", 1)) > 1:
        words += f" It was drawn with others at once: of the {count} it is number {told.index + 1}."
    rows = (f"<dt>{escape(n)}</dt><dd>{escape(v)}</dd>" for n, v in left.items())
    rest = f"<p>Not among them:</p><dl>{''.join(rows)}</dl>" if left else ""
    return (
        f'<section class="recalled" aria-label="Recalled"><p role="status">{escape(words)}</p>'
        f'{rest}<button type="button">Close</button></section>'
    )


def curtain(pair: Sequence[tuple[str, str]]) -> str:
    """Two pictures behind each other, and what draws one over the other.

    pair: the address of each, and what it is called.
    """
    images = "".join(f'<img src="{escape(src)}" alt="{escape(name)}">' for src, name in pair)
    names = "".join(f"<span>{escape(name)}</span>" for _, name in pair)
    label = escape(f"How much is seen of {pair[0][1]}, per cent")
    return (
        f'<div class="behind">{images}<input type="range" min="0" max="100" value="50" '
        f'aria-label="{label}">{names}</div>'
    )


def status(view: View) -> str:
    """The line under the picture. `data-say` is what assets/js reads out, only when it changes."""
    if view.phase == "failed":
        return alert(view.message)
    if view.phase == "idle":
        return '<div class="line" data-phase="idle"><p>Ready when you are.</p></div>'
    done = 1.0 if view.phase in ("done", "saving") else view.share
    return (
        f'<div class="line" data-phase="{view.phase}" data-step="{view.step}" '
        f'data-say="{escape(_said(view))}">'
        f'<div class="bar" style="--done:{done:.4f}"></div>'
        f"<p><strong>{escape(view.message)}</strong>{_numbers(view)}{starts(view.starts)}</p>"
        f"{_news(view)}</div>"
    )


def starts(when: float) -> str:
    """When something is likely to start; assets/js counts down. when: unix time, 0 is unknown."""
    if not when:
        return ""
    now = time.time()
    return f'<span data-in="{when - now:.0f}" data-told="{now:.3f}"></span>'


def _news(view: View) -> str:
    """The latest change of the run; until there is one, that changes can be made."""
    if not view.changes:
        return f'<p class="news">{HINT}</p>' if view.phase == "drawing" else ""
    last = told(view)[-1]
    refused = " data-refused" if last.refused else ""
    return f'<p class="news" data-changes="{len(view.changes)}"{refused}>{escape(str(last))}</p>'


def film(view: View) -> list[str]:
    """The run as items of a strip, from noise on the left to the picture on the right."""
    total = view.film[-1].total if view.film else FILM_FRAMES
    empty = '<li class="empty" aria-hidden="true"></li>'
    return [_frame(frame, view.total) for frame in view.film] + [empty] * (total - len(view.film))


def _frame(frame: Frame, steps: int) -> str:
    data = base64.b64encode(frame.preview).decode()
    return (
        f'<li><img src="data:image/jpeg;base64,{data}" alt="Step {frame.step} of {steps}">'
        f'<span aria-hidden="true">{frame.step}</span></li>'
    )


def alert(message: str) -> str:
    """Something went wrong, in words for the person at the page."""
    return (
        '<div class="line" data-phase="failed" role="alert"><p><strong>That did not work.</strong>'
        f" {escape(message)}</p></div>"
    )


def hint(words: str) -> str:
    """What helps with a control, for a component of the class `hint`."""
    return f"<p>{escape(words)}</p>"


def counted(count: int, noun: str) -> str:
    """As in `1 step`, `2 steps`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def _said(view: View) -> str:
    if view.phase == "stopped":
        return f"Stopped after step {view.step}"
    if view.phase == "done":
        return f"Done: {counted(len(view.saved), 'picture')}"
    if view.phase == "drawing" and view.changes:
        return str(told(view)[-1])
    return view.message


def _numbers(view: View) -> str:
    if view.phase == "stopped":
        parts = [f"after {view.place}" if view.step else "before the start"]
    elif view.phase == "done":
        parts = [counted(view.total, "step")]
        parts += [counted(view.calls, "call")] if view.several else []
        parts += [f"{view.seconds:.1f} s"]
    elif view.phase in ("drawing", "saving") and view.step:
        parts = [view.place]
        if view.rate:
            unit = "calls/s" if view.several else "steps/s"
            parts += [f"{_short(view.rate)} {unit}", f"{_time(view.left)} left"]
    else:
        return ""
    return f" <span>{escape(' · '.join(parts))}</span>"


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 1 else f"{value:.1f}"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
