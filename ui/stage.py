"""The half of a tab where the picture is: picture, status, facts, results."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.service.events import Saved
from ui import markup
from ui.film import NO_REEL, Film, Reel
from ui.pictures import PictureRoute, Shelf, Stage, inline
from ui.shared import SILENT
from ui.stream import IDLE, View

__all__ = ["KEPT", "Parts", "Result", "build_stage", "describe", "describe_unsaved"]

KEPT = 48


@dataclass(frozen=True)
class Result:
    """A finished picture as the page knows it; `address` is relative to the page.

    job: that made it.
    """

    job: str
    address: str
    path: str
    prompt: str
    seed: int
    width: int
    height: int
    steps: int
    variation_seed: int | None = None

    @property
    def alt(self) -> str:
        """What the picture shows, as far as anyone knows without looking."""
        return self.prompt or f"A picture out of noise, seed {self.seed}"

    @classmethod
    def of(cls, saved: Saved, view: View, route: PictureRoute) -> "Result":
        address = route.address(saved.path)
        return cls(
            saved.job,
            address,
            saved.path,
            view.prompt,
            saved.seed,
            saved.width,
            saved.height,
            view.total,
            saved.variation_seed,
        )


@dataclass(frozen=True)
class Parts:
    """Components of the stage.

    results: newest first; shown: the place in it of the big picture.
    """

    picture: Stage
    film: Film
    status: gr.HTML
    facts: gr.HTML
    shelf: Shelf
    results: gr.State
    shown: gr.State

    def show(self, results: Sequence[Result], index: int, reel: Reel) -> dict[Component, Any]:
        """Updates that bring result `index` to the big picture. reel: of the latest run."""
        result = results[index]
        return {
            self.picture: gr.update(value=result.address, alt_text=result.alt),
            self.facts: describe(result),
            self.shelf: gr.update(selected_index=index),
            self.shown: index,
            **self.film.rewind(reel if index in reel.places else NO_REEL),
        }

    def fill(self, results: Sequence[Result], shown: int) -> dict[Component, Any]:
        """Updates that put these results on the shelf and one of them in the big picture."""
        kept = list(results)[:KEPT]
        shown = min(shown, len(kept) - 1)
        shelf = gr.update(value=_thumbnails(kept), selected_index=shown)
        return {self.results: kept, **self.show(kept, shown, NO_REEL), self.shelf: shelf}

    def shelve(self, results: Sequence[Result]) -> dict[Component, Any]:
        """Updates that put these results on the shelf alone."""
        kept = list(results)[:KEPT]
        return {self.results: kept, self.shelf: _thumbnails(kept)}

    def walk(
        self, place: int, reel: Reel, results: Sequence[Result], shown: int
    ) -> dict[Component, Any]:
        """Updates that bring a frame of the film to the big picture, or at its end the result."""
        if not 0 < place <= len(reel.frames):  # another run has begun meanwhile
            return {self.picture: gr.skip()}
        label = reel.label(place)
        picture = gr.update(value=reel.frames[place - 1].preview, alt_text=label)
        if place == len(reel.frames):
            picture = gr.update(value=results[shown].address, alt_text=results[shown].alt)
        return {self.picture: picture, self.film.slider: gr.update(label=label)}

    def update(self, view: View, new: list[Result], old: list[Result]) -> dict[Component, Any]:
        """Updates for one view of a running job: `new` are its pictures, `old` the earlier ones."""
        changed: dict[Component, Any] = {self.status: markup.status(view)}
        if view.phase == "saving":
            changed |= self.fill([*new, *old], view.first)
        elif view.preview is not None:
            changed[self.picture] = gr.update(value=view.preview, alt_text="The picture so far")
            changed[self.facts] = ""
        elif view.phase == "done":
            changed |= self.film.finish(view)
        elif view.unsaved:
            changed[self.picture] = gr.update(value=view.unsaved[0], alt_text=view.prompt)
            changed[self.facts] = describe_unsaved(view.unsaved)
        return changed


def _thumbnails(results: Sequence[Result]) -> list[tuple[str, str]]:
    return [(result.address, f"Seed {result.seed}") for result in results]


def describe(result: Result) -> str:
    """Seed and size of a picture, and its download: the file as it lies on disk."""
    steps = markup.counted(result.steps, "step")
    variation = "" if result.variation_seed is None else f" · variation {result.variation_seed}"
    facts = f"Seed {result.seed}{variation} · {result.width} × {result.height} · {steps}"
    name = f"stepwise-{result.address.rpartition('/')[2]}"
    return (
        f'<div class="facts"><p title="{escape(result.alt)}">{escape(facts)}</p>'
        f'<a href="{escape(result.address)}" download="{escape(name)}">Download PNG</a></div>'
    )


def describe_unsaved(pictures: Sequence[bytes]) -> str:
    """Downloads of pictures that lie in the page alone."""
    one = len(pictures) == 1
    which = "This picture is" if one else f"{len(pictures)} pictures are"
    links = "".join(
        f'<a href="{inline(png)}" '
        f'download="stepwise-unsaved-{number}.png">Download PNG{"" if one else f" {number}"}</a>'
        for number, png in enumerate(pictures, 1)
    )
    return (
        f'<div class="facts"><p>{which} on no disk: download {"it" if one else "them"} before you '
        f"go on.</p>{links}</div>"
    )


def build_stage() -> Parts:
    """Place the stage in the current layout."""
    picture = Stage(
        label="Picture",
        show_label=False,
        interactive=False,
        buttons=["fullscreen"],
        elem_classes="picture",
        alt_text="",
    )
    film = Film()
    status = gr.HTML(markup.status(IDLE), elem_classes="status")
    facts = gr.HTML("", elem_classes="facts-line")
    shelf = Shelf(
        label="Results",
        show_label=False,
        columns=6,
        height="auto",
        object_fit="cover",
        allow_preview=False,
        interactive=False,
        buttons=[],
        elem_classes="shelf",
    )
    parts = Parts(
        picture,
        film,
        status,
        facts,
        shelf,
        results=gr.State([]),
        shown=gr.State(0),
    )

    def select(results: list[Result], reel: Reel, event: gr.SelectData) -> dict[Component, Any]:
        return parts.show(results, int(event.index), reel)

    shelf.select(
        select,
        inputs=[parts.results, film.reel],
        outputs=[picture, facts, shelf, parts.shown, film.slider, film.save],
        **SILENT,
    )
    film.slider.input(
        parts.walk,
        inputs=[film.slider, film.reel, parts.results, parts.shown],
        outputs=[picture, film.slider],
        trigger_mode="always_last",  # it moves faster than answers come
        **SILENT,
    )
    return parts
