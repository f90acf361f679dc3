"""The controls that say how noise becomes a picture, and which samplers a model cannot use."""

from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.checkpoints.catalog import ModelInfo
from engine.schedulers.registry import SCHEDULERS, unfit, unfit_type
from engine.schedulers.schedule_types import AUTOMATIC, SCHEDULE_TYPES
from ui.shared import SILENT, Inputs, Shared, named_model, offer

__all__ = ["sampler_choices", "sampler_group", "type_choices", "unoffered"]


def sampler_group(shared: Shared, task: str, model: Component) -> Inputs:
    """Sampler and schedule type, and a note of what does not fit the model."""
    assert isinstance(model, gr.Dropdown)
    info = named_model(shared.models, task, model.value)
    with gr.Row(elem_classes="pair samplers"):
        sampler = gr.Dropdown(
            label="Sampler", choices=sampler_choices(info), value="", elem_classes="live"
        )
        kind = gr.Dropdown(
            label="Schedule type", choices=type_choices(info, ""), value="", elem_classes="live"
        )
    note = gr.HTML(unoffered(info, ""), elem_classes="note")

    def fit(name: Any, sampler: Any, kind: Any) -> list[Any]:
        info = named_model(shared.models, task, name)
        samplers = sampler_choices(info)
        chosen = _kept(samplers, sampler)
        types = type_choices(info, chosen)
        return [
            gr.update(**offer(samplers, chosen, sampler)),
            gr.update(**offer(types, _kept(types, kind), kind)),
            unoffered(info, chosen),
        ]

    inputs = [model, sampler, kind]
    gr.on(
        [model.change, sampler.change],
        fit,
        inputs,
        [sampler, kind, note],
        preprocess=False,
        **SILENT,
    )
    return {"scheduler": sampler, "schedule_type": kind}


def _kept(choices: list[tuple[str, str]], chosen: Any) -> Any:
    return chosen if chosen in [value for _, value in choices] else ""


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


def type_choices(info: ModelInfo | None, sampler: str | None = None) -> list[tuple[str, str]]:
    """(label, name) of the schedule types that fit a sampler on a model, or any that fits it."""
    samplers = [name for _, name in sampler_choices(info)] if sampler is None else [sampler]
    config = info.scheduler_config if info else {}
    return [
        (name, "" if name == AUTOMATIC else name)
        for name in SCHEDULE_TYPES
        if not all(unfit_type(name, sampler, config) for sampler in samplers)
    ]


def unoffered(info: ModelInfo | None, sampler: str) -> str:
    """HTML that says of each sampler that is not offered why, and of the schedule types."""
    if info is None:
        return ""
    config = info.scheduler_config
    return _left_out(
        "sampler", "this model", [unfit(name, config) for name in SCHEDULERS]
    ) + _left_out(
        "schedule type", "here", [unfit_type(name, sampler, config) for name in SCHEDULE_TYPES]
    )


def _left_out(what: str, where: str, reasons: list[str]) -> str:
    items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons if reason)
    if not items:
        return ""
    count = items.count("<li>")
    words = f"{what} does" if count == 1 else f"{what}s do"
    return f"<details><summary>{count} {words} not fit {where}</summary><ul>{items}</ul></details>"
