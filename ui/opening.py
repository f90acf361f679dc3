"""What a page is told when it has been opened."""

import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from ui.session import Owners

__all__ = ["Opening"]

Answer = Callable[..., Mapping[Component, Any]]
"""Of the owner and the values of some components: updates."""

log = logging.getLogger(__name__)


class Opening:
    """One event for all that wants to tell a page something: the server would spend more on one
    event for each than on what they tell."""

    def __init__(self) -> None:
        self._answers: list[tuple[Answer, int]] = []
        self._inputs: list[Component] = []
        self._outputs: list[Component] = []

    def add(
        self, answer: Answer, inputs: Sequence[Component], outputs: Sequence[Component]
    ) -> None:
        """Have a page told what `answer` says, which may be nothing.

        inputs: their values come as the page sends them. outputs: each belongs to one answer only.
        """
        self._answers.append((answer, len(inputs)))
        self._inputs += inputs
        self._outputs += outputs

    def connect(
        self, opened: Dependency, session: gr.BrowserState, owners: Owners, **options: Any
    ) -> Dependency:
        """Register the event, after `opened` and once all is added. options: as of an event.

        An answer that fails is logged, and the others are told.
        """

        def tell(session: Any, *values: Any) -> dict[Component, Any]:
            owner, left = owners.of(session), iter(values)
            told: dict[Component, Any] = {}
            for answer, count in self._answers:
                asked = list(islice(left, count))
                try:
                    told |= answer(owner, *asked)
                except Exception:
                    log.exception("a page that was opened is not told everything")
            return told

        inputs = [session, *self._inputs]
        return opened.then(tell, inputs, self._outputs, preprocess=False, **options)
