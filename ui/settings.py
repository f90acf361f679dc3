"""The settings of a tab as values by name: looked at, and brought back to its controls."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import RequestError
from engine.pipelines.limits import LIMITS, check_number, check_text
from ui.controls import ENDS, side, span
from ui.request import FIELDS, SIDES
from ui.shared import Inputs, named_model

__all__ = ["check_setting", "fill", "settings_of"]

SWITCHES = ("random_seed", "only_marked", "invert_mask", "invert_depth")


def settings_of(inputs: Inputs) -> Inputs:
    """Those inputs of a tab that are no pictures: these have a place of their own."""
    return {n: one for n, one in inputs.items() if not isinstance(one, gr.BrowserState)}


def check_setting(name: str, value: Any) -> None:
    """Raise RequestError for what no control of this name can have."""
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise RequestError(f"{name} is {value!r}: true or false is needed.")
    elif name == "styles":
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise RequestError(f"styles is {value!r}: a list of names is needed.")
    elif name in LIMITS:
        check_number(name, FIELDS[name](name, value))
    elif name in FIELDS:
        check_text(name, value)
    else:
        raise RequestError(f"{name} is no setting that is known here.")


def fill(
    inputs: Inputs, values: Mapping[str, Any], models: Path, task: str
) -> dict[Component, Any]:
    """Updates that bring settings to the controls of a tab.

    values: by the names of `inputs`. What a browser kept may be of an earlier version of the page,
    or of a model that is gone: such a setting stays as it is.
    """
    known = {name: value for name, value in values.items() if name in inputs and _fits(name, value)}
    info = named_model(models, task, values.get("model"))
    if info is None:
        known = {name: v for name, v in known.items() if name not in ("model", *SIDES)}
    for name in known.keys() & ENDS.keys():
        known[name] = gr.update(**span(name, known[name], ENDS[name]), value=known[name])
    for name in known.keys() & set(SIDES):
        own = getattr(info, name)
        known[name] = gr.update(**side(own, known[name] or own))
    return {inputs[name]: value for name, value in known.items()}


def _fits(name: str, value: Any) -> bool:
    with suppress(RequestError):
        check_setting(name, value)
        return True
    return False
