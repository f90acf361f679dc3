"""What a watcher of a job sees: events of the service folded into one view at a time."""

import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any

from engine.service.events import (
    Cancelled,
    Changed,
    Event,
    Failed,
    Finished,
    Frame,
    Loading,
    Queued,
    Saved,
    Started,
    Step,
)

__all__ = ["IDLE", "View", "fold", "views"]

QUIET = 0.1
STALE = 1.0
MOVED = 5.0
"""Seconds by which the start of a run moves before it is told."""


@dataclass(frozen=True)
class View:
    """The state of one run as the page shows it.

    phase: idle, queued, loading, drawing, saving, done, stopped or failed.
    message: the state in words, also read out to people who do not see the page.
    step, total, call, calls, rate: as in Step; 0 until the first. seconds: of the pictures in hand
        so far; of the whole run once it is done.
    preview: JPEG that is new in this view, or None to leave the picture as it is.
    saved: the finished images so far, in order.
    starts: of a run that waits, as Queued.starts.
    count: pictures of the run, 0 until it has started. first: how many of them come before those
        in hand. together: how many are in hand, drawn at once.
    film: frames of the filmstrip of those in hand; none for runs that make none.
    prompt: of the run.
    settings: what the pictures in hand were begun with, by the names of the fields of a Request;
        empty if unknown.
    changes: of those settings on the way, in order; also those that were refused.
    unsaved: PNGs of finished images that could not be saved.
    loaded: components that the run had to load (known once it is done).
    trace: as Finished.trace (known once it is done).
    """

    phase: str = "idle"
    message: str = ""
    step: int = 0
    total: int = 0
    call: int = 0
    calls: int = 0
    rate: float = 0.0
    seconds: float = 0.0
    preview: bytes | None = None
    saved: tuple[Saved, ...] = ()
    starts: float = 0.0
    count: int = 0
    first: int = 0
    together: int = 1
    prompt: str = ""
    film: tuple[Frame, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[Changed, ...] = ()
    unsaved: tuple[bytes, ...] = ()
    loaded: tuple[str, ...] = ()
    trace: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.phase in ("queued", "loading", "drawing", "saving")

    @property
    def left(self) -> float:
        """Seconds until the last call, by the present rate; 0 when unknown."""
        if self.rate <= 0:
            return 0.0
        batches = math.ceil((self.count - self.first) / self.together) - 1 if self.count else 0
        return (self.calls - self.call + batches * self.calls) / self.rate

    @property
    def share(self) -> float:
        """Of the drawing that is done, 0 to 1."""
        part = self.call / self.calls if self.calls else 0.0
        return (self.first + self.together * part) / self.count if self.count else part

    @property
    def several(self) -> bool:
        """Whether there are steps of several calls of the model."""
        return self.calls > self.total

    @property
    def place(self) -> str:
        """Where the run stands, as in `step 5 of 12`, `call 9 of 23` if calls are others, and
        `picture 2 of 4` if they are not all in hand."""
        calls = f" · call {self.call} of {self.calls}" if self.several else ""
        return f"step {self.step} of {self.total}{calls}{self._pictures}"

    @property
    def _pictures(self) -> str:
        if self.together >= self.count:
            return ""
        last = self.first + self.together
        if self.together == 1:
            return f" · picture {last} of {self.count}"
        return f" · pictures {self.first + 1} to {last} of {self.count}"


IDLE = View()


@singledispatch
def fold(event: Event, view: View) -> View:
    """The view after `event`."""
    raise TypeError(f"no view for {type(event).__name__}")


@fold.register
def _(event: Queued, view: View) -> View:
    ahead = event.position - 1
    message = f"Waiting: {ahead} ahead of you" if ahead > 0 else "Waiting for the engine"
    return replace(view, phase="queued", message=message, starts=event.starts)


@fold.register
def _(event: Loading, view: View) -> View:
    part = event.component.replace("_", " ")
    message = f"Loading {event.model}: {part}…"
    return replace(view, phase="loading", message=message, starts=0.0)


@fold.register
def _(event: Started, view: View) -> View:
    return replace(
        view,
        phase="drawing",
        message="Drawing",
        starts=0.0,
        step=0,
        total=event.total,
        call=0,
        calls=0,
        count=event.pictures,
        first=event.first,
        together=event.count,
        film=(),
        settings=_settled(view),
        changes=(),
    )


def _settled(view: View) -> Mapping[str, Any]:
    """What the next pictures of a run are begun with: what was changed on the way stays so."""
    met = [change.settings for change in view.changes if not change.refused]
    return {**view.settings, **{name: value for one in met for name, value in one.items()}}


@fold.register
def _(event: Step, view: View) -> View:
    return replace(
        view,
        phase="drawing",
        message="Drawing" if event.call < event.calls else "Finishing the picture",
        step=event.step,
        total=event.total,
        call=event.call,
        calls=event.calls,
        rate=event.rate,
        seconds=event.seconds,
        preview=event.preview,
    )


@fold.register
def _(event: Frame, view: View) -> View:
    return replace(view, film=(*view.film, event) if event.index else (event,))


@fold.register
def _(event: Changed, view: View) -> View:
    return replace(view, changes=(*view.changes, event))


@fold.register
def _(event: Saved, view: View) -> View:
    return replace(view, phase="saving", message="Saving", saved=(*view.saved, event))


@fold.register
def _(event: Finished, view: View) -> View:
    return replace(
        view,
        phase="done",
        message="Done",
        seconds=event.seconds,
        loaded=tuple(event.loaded),
        trace=event.trace,
    )


@fold.register
def _(event: Cancelled, view: View) -> View:
    return replace(view, phase="stopped", message="Stopped", step=event.step, starts=0.0)


@fold.register
def _(event: Failed, view: View) -> View:
    return replace(view, phase="failed", message=event.message, starts=0.0, unsaved=event.pictures)


def _news(event: Queued, told: Queued) -> bool:
    """Whether a place in the line is worth telling. told: the last that was."""
    if abs(event.position - told.position) >= max(1, event.position // 5):
        return True
    ahead = event.starts - event.time
    return abs(event.starts - told.starts) >= max(MOVED, ahead / 5)


async def views(
    events: AsyncIterator[Event],
    view: View = IDLE,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[View]:
    """One view for every event worth showing, from `view` on; the last one always.

    Nothing holds a sender back when the page is slower than the run, so steps without a preview
    come at most ten a second, and what is old by the time it is read (a page that was reloaded, a
    browser that hung) is passed over for the newest: the film then comes whole. Whoever is far
    back in the line is told of each fifth of the way: each start of a run moves everybody there.
    """
    shown, told = 0.0, Queued(position=0)
    async for event in events:
        if isinstance(event, Queued):
            if not _news(event, told):
                continue
            told = event
        view = fold(event, replace(view, preview=None))
        now = clock()
        if isinstance(event, Step | Frame) and now - event.time > STALE:
            continue
        if isinstance(event, Step):
            if event.preview is None and now - shown < QUIET:
                continue
            shown = now
        yield view
