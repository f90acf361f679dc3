"""The controls that say how noise becomes a picture, and which samplers a model cannot use."""

from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.checkpoints.catalog import ModelInfo
from engine.schedulers.registry import SCHEDULERS, unfit
from engine.schedulers.schedule_types import AUTOMATIC, SCHEDULE_TYPES
from ui.shared import SILENT, Inputs, Shared, named_model, offer

__all__ = ["TYPES", "sampler_choices", "sampler_group", "unoffered"]

TYPES = [(name, "" if name == AUTOMATIC else name) for name in SCHEDULE_TYPES]


def sampler_group(shared: Shared, task: str, model: Component) -> Inputs:
    """Sampler and schedule type, and a note of the samplers that do not fit the model."""
    assert isinstance(model, gr.Dropdown)
    info = named_model(shared.models, task, model.value)
    with gr.Row(elem_classes="pair samplers"):
        sampler = gr.Dropdown(
            label="Sampler", choices=sampler_choices(info), value="", elem_classes="live"
        )
        kind = gr.Dropdown(label="Schedule type", choices=TYPES, value="", elem_classes="live")
    note = gr.HTML(unoffered(info), elem_classes="note")

    def fit(name: Any, chosen: Any) -> list[Any]:
        info = named_model(shared.models, task, name)
        choices = sampler_choices(info)
        kept = chosen if chosen in [value for _, value in choices] else ""
        return [gr.update(**offer(choices, kept, chosen)), unoffered(info)]

    model.change(fit, [model, sampler], [sampler, note], preprocess=False, **SILENT)
    return {"scheduler": sampler, "schedule_type": kind}


def sampler_choices(info: ModelInfo | None) -> list[tuple[str, str]]:
    """(label, name) of the samplers that fit a model, its own first."""
    if info is None:
        return [("Model's own", "")]
    named: dict[str, str] = {}
    for name, (cls, _) in SCHEDULERS.items():
        named.setdefault(cls, name)
    own = f"Model's own ({named.get(info.scheduler, info.scheduler)})"
    fitting = [name for name in SCHEDULERS if not unfit(name, info.scheduler_config)]
    return [(own, ""), *((name, name) for name in fitting)]


def unoffered(info: ModelInfo | None) -> str:
    """HTML that says of each sampler that is not offered why."""
    reasons = [unfit(name, info.scheduler_config) for name in SCHEDULERS] if info else []
    items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons if reason)
    if not items:
        return ""
    count = items.count("<li>")
    words = "sampler does" if count == 1 else "samplers do"
    return (
        f"<details><summary>{count} {words} not fit this model</summary><ul>{items}</ul></details>"
    )
