"""The inputs that say what a grid varies."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import RequestError
from ui.compare.axes import AXES
from ui.compare.plan import Line
from ui.samplers import sampler_choices, type_choices
from ui.shared import SILENT, Inputs, Shared, named_model, offer

__all__ = ["TASK", "AxisInputs", "axis_group", "hide_varied", "lines_of"]

TASK = "text-to-image"
NONE = ""
"""The value of an axis that is not there."""


@dataclass(frozen=True)
class AxisInputs:
    """One direction: the field that it varies, and where its values are chosen or written."""

    field: gr.Dropdown
    names: gr.Dropdown
    numbers: gr.Textbox

    def named(self, direction: str) -> dict[str, Component]:
        """By the names under which `lines_of` takes them."""
        parts = {"field": self.field, "names": self.names, "numbers": self.numbers}
        return {f"{direction}_{name}": component for name, component in parts.items()}


def axis_group(
    shared: Shared, model: Component, direction: str, field: str, *, optional: bool = False
) -> AxisInputs:
    """Place the inputs of one direction, which begins with `field`; optional: it may be none."""
    assert isinstance(model, gr.Dropdown)
    choices = [(axis.title, name) for name, axis in AXES.items()]
    which = gr.Dropdown(
        label=direction, choices=[*choices, ("None", NONE)] if optional else choices, value=field
    )
    names, numbers = _values(shared, field, model.value)
    label = f"Values {direction.lower()}"
    inputs = AxisInputs(
        which,
        gr.Dropdown(label=label, multiselect=True, elem_classes="values", **names),
        gr.Textbox(label=label, max_lines=1, placeholder="10, 20, 30 or 10-50:10", **numbers),
    )

    def begin(field: str, model: str) -> list[Any]:
        return [gr.update(**values) for values in _values(shared, field, model)]

    def fit(field: str, model: str, chosen: list[str]) -> Any:
        choices = _choices(shared, field, model)
        known = [value for _, value in choices]
        return gr.update(**offer(choices, [name for name in chosen if name in known], chosen))

    outputs: list[Component] = [inputs.names, inputs.numbers]
    which.change(begin, [which, model], outputs, preprocess=False, **SILENT)
    model.change(fit, [which, model, inputs.names], inputs.names, preprocess=False, **SILENT)
    return inputs


def hide_varied(axes: tuple[AxisInputs, AxisInputs], inputs: Inputs) -> None:
    """Show no control for a field that an axis varies: it would have no effect."""
    fields = [name for name in AXES if name in inputs]

    def show(*varied: str) -> list[Any]:
        return [gr.update(visible=name not in varied) for name in fields]

    which: list[Component] = [axis.field for axis in axes]
    for name in fields:
        inputs[name].visible = name not in [axis.field.value for axis in axes]
    gr.on(
        [axis.field.change for axis in axes],
        show,
        which,
        [inputs[name] for name in fields],
        preprocess=False,
        **SILENT,
    )


def lines_of(values: dict[str, Any]) -> tuple[Line, ...]:
    """Take what `AxisInputs.named` put there out of `values`. Raises RequestError."""
    lines = []
    for direction in ("across", "down"):
        field, names, numbers = (
            values.pop(f"{direction}_{part}") for part in ("field", "names", "numbers")
        )
        if field != NONE:
            lines.append(Line.of(str(field), names, numbers))
    if not lines:
        raise RequestError("No axis is chosen: choose what to vary across.")
    return tuple(lines)


def _values(shared: Shared, field: str, model: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments for the two inputs of values, of which at most one is shown."""
    axis = AXES.get(field)
    choices = _choices(shared, field, model)
    known = [value for _, value in choices]
    first = [name for name in axis.names if name in known] if axis else []
    numbers = axis.numbers if axis else ""
    return (
        {"choices": choices, "value": first, "visible": bool(choices)},
        {"value": numbers, "visible": bool(numbers)},
    )


def _choices(shared: Shared, field: str, model: object) -> list[tuple[str, str]]:
    """What can be chosen for a field that is chosen by name; nothing for others."""
    if field not in ("scheduler", "schedule_type"):
        return []
    info = named_model(shared.models, TASK, model)
    return sampler_choices(info) if field == "scheduler" else type_choices(info)
