"""Controls that a run takes up while it goes on."""

from functools import partial
from typing import Any

import gradio as gr

from engine.errors import EngineError
from ui.changes import LIVE
from ui.jobs import current
from ui.request import FIELDS
from ui.shared import SILENT, Inputs, Shared, warn

__all__ = ["connect_steering"]


def connect_steering(shared: Shared, inputs: Inputs, task: str) -> None:
    """Tell the tab's run what its controls say from now on.

    Only what a person does is told, and a number only once it has come to rest: 30 is typed by way
    of 3, and a run of 3 steps would be over by then.
    """
    for name in (name for name in LIVE if name in inputs):
        control = inputs[name]
        is_number = isinstance(control, gr.Slider)
        # a choice from a list is one `select`, and two of `input`
        done = control.input if is_number else control.select  # type: ignore[attr-defined]
        done(
            partial(_tell, shared, task, name),
            [shared.session, control],
            None,
            js=f"(...values) => window.stepwise.settled('{name}', values)" if is_number else None,
            preprocess=False,
            trigger_mode="multiple",
            queue=False,
            **SILENT,
        )


def _tell(shared: Shared, task: str, name: str, session: Any, value: Any) -> None:
    owner = shared.owners.of(session)
    if job := current(shared.service, owner, task):
        try:
            shared.service.change(job.id, owner, **{name: FIELDS[name](name, value)})
        except EngineError as error:
            warn(str(error))
