"""Values from outside, by name, into a checked Request."""

import secrets
from collections.abc import Callable
from typing import Any

from engine.errors import RequestError
from engine.pipelines.changes import Change
from engine.pipelines.request import Request
from ui.session import kept_name

__all__ = ["FIELDS", "SIDES", "request_from"]

SIDES = ("width", "height")
"""Fields of a Request that are the size of the picture."""


def request_from(
    *, task: str, random_seed: bool = False, only_marked: bool = True, **values: Any
) -> Request:
    """A checked Request from what a tab or a caller of the API sent: the fields that it offers.

    Nothing of it has been looked at before: Gradio's own checks are off (`preprocess=False`), as
    their messages do not say which field they mean. only_marked: whether `padding` counts.
    Raises RequestError naming the field.
    """
    if random_seed:
        values["seed"] = secrets.randbelow(2**32 - 100)
    if not only_marked:
        values["padding"] = None
    values = {name: FIELDS[name](name, value) for name, value in values.items()}
    if not values["model"]:
        raise RequestError(
            "model is empty: choose one. If there is none, put one into the models folder."
        )
    return Request(task=task, **values).check()


def _text(_name: str, value: Any) -> str:
    return str(value or "")


def _picture(_name: str, value: Any) -> str:
    return kept_name(value)


def _number(name: str, value: Any) -> float:
    if value is None:
        raise RequestError(f"{name} is empty: give a number.")
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise RequestError(f"{name} is {value!r}: give a number.")
    if value in (float("inf"), float("-inf")):
        raise RequestError(f"{name} is {value}: give a finite number.")
    return value


def _whole(name: str, value: Any) -> int:
    number = _number(name, value)
    if number != int(number):
        raise RequestError(f"{name} is {number}: give a whole number.")
    return int(number)


def _padding(name: str, value: Any) -> int | None:
    return None if value is None else _whole(name, value)


def _truth(_name: str, value: Any) -> bool:
    return bool(value)


def _changes(_name: str, value: Any) -> tuple[Change, ...]:
    """What a browser keeps where there are none is no list."""
    return tuple(map(Change.from_dict, value)) if isinstance(value, list) else ()


FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "model": _text,
    "prompt": _text,
    "negative_prompt": _text,
    "scheduler": _text,
    "schedule_type": _text,
    "steps": _whole,
    "guidance_scale": _number,
    "width": _whole,
    "height": _whole,
    "seed": _whole,
    "count": _whole,
    "batch_size": _whole,
    "variation_seed": _whole,
    "variation_strength": _number,
    "image": _picture,
    "mask": _picture,
    "depth_map": _picture,
    "strength": _number,
    "fit": _text,
    "fill": _text,
    "mask_blur": _whole,
    "padding": _padding,
    "invert_mask": _truth,
    "invert_depth": _truth,
    "changes": _changes,
}
"""Field of a Request -> what makes its value."""
