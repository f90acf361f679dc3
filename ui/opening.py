"""What a page is told when it has been opened."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from ui.session import Owners

__all__ = ["Opening"]

Answer = Callable[..., Mapping[Component, Any]]
"""Of the owner and the values of some components: updates of others."""


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
        """Have a page told what `answer` says, which may say nothing.

        inputs: their values as the page sends them; outputs: of no other answer.
        """
        self._answers.append((answer, len(inputs)))
        self._inputs += inputs
        self._outputs += outputs

    def connect(
        self, opened: Dependency, session: gr.BrowserState, owners: Owners, **options: Any
    ) -> None:
        """Register the event, after `opened` and once all is added. options: as of an event."""

        def tell(session: Any, *values: Any) -> dict[Component, Any]:
            owner, left = owners.of(session), iter(values)
            told: dict[Component, Any] = {}
            for answer, count in self._answers:
                told |= answer(owner, *islice(left, count))
            return told

        inputs = [session, *self._inputs]
        opened.then(tell, inputs, self._outputs, preprocess=False, **options)
