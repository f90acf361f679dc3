"""Checks of what a caller gave: each returns what is right, or says what would be."""

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from engine.errors import EngineError, unknown_name

__all__ = ["by_place", "check_names", "choice", "within"]


def choice(what: str, value: Any, allowed: Iterable[Any]) -> Any:
    """Return `value` if it is allowed, else raise an `EngineError` that says what is."""
    names = tuple(allowed)
    if value not in names:
        raise EngineError(f"{what} is {value!r}; choose one of: {', '.join(map(str, names))}.")
    return value


def check_names(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise an `EngineError` for a name that is not known, with the nearest ones."""
    table = {name: name for name in known}
    for name in names:
        if name not in table:
            raise unknown_name(what, name, table, table)


def by_place(
    what: str,
    given: Sequence[Any],
    names: Sequence[str],
    named: Mapping[str, Any],
    more: Iterable[str] = (),
) -> dict[str, Any]:
    """Arguments by name, of those given by place and by name.

    names: those that have a place, in order; more: those that have none.
    Raises `EngineError` for one that is unknown or too many.
    """
    check_names(what, named, dict.fromkeys((*names, *more)))
    places = dict(zip(names, given, strict=False))
    if len(given) > len(names) or places.keys() & named.keys():
        order = ", ".join(names) or "none"
        raise EngineError(
            f"{what}: {len(given)} are given by place, which are: {order}. Name them."
        )
    return {**places, **named}


def within(what: str, value: Any, low: float, high: float = math.inf) -> Any:
    """Return `value` if it is a number from low to high, else raise an `EngineError`.

    Where low is an int, so has the value to be; booleans are no numbers.
    """
    whole = isinstance(low, int)
    right = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if not (right and low <= value <= high):
        span = f"{low} or more" if high == math.inf else f"{low} to {high}"
        raise EngineError(f"{what} is {value!r}; choose {span}{', a whole number' * whole}.")
    return value
