"""Changes that were made on the way of a run, to be made again in the runs that follow."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.errors import RequestError
from engine.pipelines.changes import Change
from ui.changes import listed
from ui.markup import hint
from ui.request import FIELDS
from ui.session import NOTHING, kept_in_browser
from ui.shared import SILENT, Inputs, Shared

__all__ = ["Replay"]


class Replay:
    """What is kept of them for one tab, and what shows it and takes it away."""

    def __init__(self, shared: Shared, task: str) -> None:
        """To be called outside `gr.Tabs`, as Tab."""
        self._shared = shared
        self._kept = kept_in_browser(f"{task}.changes", NOTHING)

    def build(self) -> Inputs:
        """Place the note, which is seen only where there are changes."""
        with gr.Row(visible=False, elem_classes="replay") as self._row:
            self._note = gr.HTML()
            away = gr.Button("Leave them out", size="sm", min_width=120)
        self.end_with([away.click])
        self._shared.opening.add(self._again, [self._kept], [self._row, self._note])
        return {"changes": self._kept}

    def end_with(self, events: Sequence[Callable[..., Dependency]]) -> None:
        """Leave the changes out from these events on, once built."""
        gr.on(events, lambda: self.show(()), None, self.outputs, **SILENT)

    @property
    def outputs(self) -> list[Component]:
        """Of an event that shows changes."""
        return [self._kept, self._row, self._note]

    def show(self, changes: Sequence[Change]) -> dict[Component, Any]:
        """Updates that have the runs which follow make these changes, or none."""
        kept = [change.to_dict() for change in changes] or NOTHING
        return {self._kept: kept, **self._shown(changes)}

    def _shown(self, changes: Sequence[Change]) -> dict[Component, Any]:
        words = f"On its way, as in the picture: {listed(changes)}." if changes else ""
        return {self._row: gr.update(visible=bool(changes)), self._note: hint(words)}

    def _again(self, _: str, kept: Any) -> Mapping[Component, Any]:
        """After a reload."""
        try:
            changes = FIELDS["changes"]("changes", kept)
            return self._shown([change.check() for change in changes]) if changes else {}
        except (RequestError, TypeError):
            return {self._kept: NOTHING}
