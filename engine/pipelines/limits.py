"""What the fields of a request may be, one by one."""

import math
from typing import Any

from engine.errors import RequestError

__all__ = [
    "FILLS",
    "LIMITS",
    "MAX_CHANGES",
    "check_argument",
    "check_number",
    "check_text",
    "check_trained",
    "executed_steps",
    "is_whole",
]

LIMITS: dict[str, tuple[float, float]] = {
    "steps": (1, 1000),
    "guidance_scale": (0, 50),
    "width": (0, 4096),
    "height": (0, 4096),
    "seed": (0, 2**32 - 1),
    "count": (1, 100),
    "batch_size": (1, 16),
    "variation_seed": (0, 2**32 - 1),
    "variation_strength": (0, 1),
    "call": (0, 10_000),
    "strength": (0, 1),
    "mask_blur": (0, 64),
    "padding": (0, 1024),
}
"""Field -> smallest and largest value: for requests, for the page's controls and for its grids."""

FILLS = ("original", "noise", "blank")
"""What inpainting begins with, under noise, where it is marked."""

MAX_TEXT = 10_000
MAX_CHANGES = 100
"""Of the settings of one run: each may make a schedule anew."""


def is_whole(name: str) -> bool:
    """Whether a field takes whole numbers only."""
    return name not in ("guidance_scale", "strength", "variation_strength")


def check_text(name: str, value: Any) -> None:
    """Raise a `RequestError` for what is no text, or too long a one."""
    if not isinstance(value, str):
        raise RequestError(f"{name} is {value!r}: a text is needed.")
    if len(value) > MAX_TEXT:
        raise RequestError(f"{name} has {len(value)} characters, at most {MAX_TEXT} are taken.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        place = error.start + 1
        raise RequestError(
            f"{name} holds half a character (a lone surrogate) at place {place}: type it anew."
        ) from None


def check_argument(name: str, value: Any, low: float, high: float = math.inf) -> None:
    """Raise a `RequestError` for an argument of a call that is no number, or outside its limits.

    Numbers of numpy and torch are taken, which a request, being JSON, does not have.
    """
    check_number(name, getattr(value, "item", lambda: value)(), (low, high))


def check_number(name: str, value: Any, limits: tuple[float, float] | None = None) -> None:
    """Raise a `RequestError` for what is no number, or outside its limits, else its `LIMITS`."""
    low, high = limits or LIMITS[name]
    ends = f"from {low} to {high}" if math.isfinite(high) else f"{low} or more"
    wanted = int if is_whole(name) else (int, float)
    # an int is finite, and a huge one would not fit into the float that isfinite looks at
    finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if isinstance(value, int) and value.bit_length() > 64:
        raise RequestError(f"{name} is far too large: it must be {ends}.")
    if not isinstance(value, wanted) or isinstance(value, bool) or not finite:
        kind = "a whole number" if is_whole(name) else "a number"
        raise RequestError(f"{name} is {value!r}: {kind}, {ends}, is needed.")
    if not low <= value <= high:
        raise RequestError(f"{name} is {value}: it must be {ends}.")


def check_trained(steps: int, timesteps: int) -> None:
    """Raise a `RequestError` for more steps than a model was trained on timesteps."""
    if steps > timesteps:
        raise RequestError(
            f"steps is {steps}: this model was trained on {timesteps} timesteps, and a run takes "
            "no more steps than that."
        )


def executed_steps(steps: int, strength: float) -> int:
    """How many of the steps are made where a run begins with a picture under noise: the last ones.

    strength: 0 to 1, the part of the noise that is added. Raises `RequestError` if no step is left.
    """
    check_argument("strength", strength, *LIMITS["strength"])
    made = int(steps * strength)
    if made < 1:
        raise RequestError(
            f"strength is {strength}, which leaves none of {steps} steps: take a strength of "
            f"{math.ceil(1000 / steps) / 1000} or more, or more steps."
        )
    return made
