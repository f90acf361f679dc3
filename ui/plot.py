"""Small line plots as HTML: a stretched SVG for the lines, text beside it that never scales.

`assets/js` reads `data-values` to tell the value under the pointer; people who do not see the plot
get its summary.
"""

import json
import math
from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["lines"]

DOTS = 40
"""Up to so many values are also marked one by one."""

Range = tuple[float, float]


def lines(
    series: Mapping[str, Sequence[float]],
    title: str,
    x_label: str,
    *,
    log: bool = False,
    first: int = 0,
    marks: Mapping[int, str] | None = None,
) -> str:
    """A figure with one line for each series.

    series: name -> values; value i stands at x = first + i, one that is not finite is left out.
    log: whether y is logarithmic; what is not positive then stands on the floor, marked 0.
    marks: x -> what happened there, drawn as an upright line.
    """
    low, high, ticks = (_log_axis if log else _axis)(_finite(series))
    last = first + max((len(values) for values in series.values()), default=1) - 1

    def x_of(x: float) -> float:
        return (x - first) / max(1, last - first)

    def y_of(y: float) -> float:
        if log:
            y, bottom, top = math.log(max(y, low)), math.log(low), math.log(high)
        else:
            bottom, top = low, high
        return 1 - (y - bottom) / (top - bottom)

    marked = {x: text for x, text in (marks or {}).items() if first <= x <= last}
    rules = "".join(_rule(0, y_of(tick), "h 100") for tick in ticks)
    rules += "".join(_rule(x_of(x), 0, "v 100", "mark") for x in marked)
    drawn = "".join(
        _line(number, name, values, [(x_of(first + i), y_of(y)) for i, y in _known(values)])
        for number, (name, values) in enumerate(series.items(), 1)
    )
    y_labels = "".join(_label("y", y_of(tick), f"{tick:g}") for tick in ticks)
    x_labels = "".join(_label("x", x_of(x), str(x)) for x in _x_ticks(first, last))
    return (
        f'<figure class="plot" data-first="{first}" data-label="{escape(x_label)}">'
        f"<figcaption><strong>{escape(title)}</strong>{_legend(series)}"
        '<output aria-hidden="true"></output></figcaption>'
        f'<div class="chart" role="img" aria-label="{escape(_summary(series, title, marked))}">'
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">'
        f"{rules}{drawn}</svg>{y_labels}{x_labels}</div>"
        f'<p class="x-label" aria-hidden="true">{escape(x_label)}</p></figure>'
    )


def _known(values: Sequence[float]) -> list[tuple[int, float]]:
    return [(i, value) for i, value in enumerate(values) if math.isfinite(value)]


def _finite(series: Mapping[str, Sequence[float]]) -> list[float]:
    return [y for values in series.values() for _, y in _known(values)] or [1.0]


def _axis(values: list[float]) -> tuple[float, float, list[float]]:
    """Bounds that are multiples of 1, 2 or 5 times a power of ten, and the multiples between."""
    low, high = min(*values, 0.0), max(*values, 0.0)
    unit = 10 ** math.floor(math.log10(max(high - low, 1e-12)))
    step = next(unit * m for m in (0.2, 0.25, 0.5, 1, 2, 5, 10) if (high - low) / (unit * m) <= 4)
    begin, end = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return begin * step, end * step, [round(i * step, 12) for i in range(begin, end + 1)]


def _log_axis(values: list[float]) -> tuple[float, float, list[float]]:
    """Bounds a little beyond the values; powers of ten between them, or 1, 2, 5 where those are
    too few. Below values of 0 there is room for a drop to the floor, which is 0 by its label."""
    known = [y for y in values if y > 0] or [1.0]
    low, high = min(known) / 1.15, max(known) * 1.15
    span = math.log10(high / low)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = max(1, len(decades) // 5)
    several = (1, 2, 5) if span < 1.7 else (1,)
    ticks = [m * 10.0**d for d in decades if d % every == 0 for m in several]
    ticks = [tick for tick in ticks if low <= tick <= high]
    if len(known) == len(values):
        return low, high, ticks
    return low / 10 ** (span / 8), high, [*ticks, 0.0]


def _x_ticks(first: int, last: int) -> list[int]:
    """Both ends, and round numbers that stand clear of them."""
    span = max(1, last - first)
    step = next(m * 10**d for d in range(10) for m in (1, 2, 5) if span / (m * 10**d) <= 5)
    inner = range((first // step + 1) * step, last, step)
    return sorted({first, last} | {x for x in inner if min(x - first, last - x) >= step * 0.6})


def _rule(x: float, y: float, way: str, kind: str = "rule") -> str:
    return f'<path class="{kind}" d="M {x * 100:.2f} {y * 100:.2f} {way}"/>'


def _line(
    number: int, name: str, values: Sequence[float], points: list[tuple[float, float]]
) -> str:
    places = [f"{x * 100:.2f} {y * 100:.2f}" for x, y in points]
    shown = json.dumps([float(f"{y:.4g}") if math.isfinite(y) else None for y in values])
    dots = "".join(f"M {place} h 0" for place in places) if len(places) <= DOTS else ""
    return (
        f'<polyline class="line-{number}" data-name="{escape(name)}" data-values="{shown}" '
        f'points="{", ".join(places)}"/>'
        f'<path class="dots line-{number}" d="{dots}"/>'
    )


def _label(axis: str, at: float, text: str) -> str:
    return f'<span class="{axis}" style="--at:{at:.4f}" aria-hidden="true">{escape(text)}</span>'


def _legend(series: Mapping[str, Sequence[float]]) -> str:
    """Which line is which, by its colour and its dashes; a single one is named by the title."""
    if len(series) < 2:
        return ""
    sample = (
        '<svg viewBox="0 0 24 8" aria-hidden="true"><path class="line-{}" d="M 1 4 h 22"/></svg>'
    )
    names = (f"<span>{sample.format(i)}{escape(n)}</span>" for i, n in enumerate(series, 1))
    return f'<span class="legend">{"".join(names)}</span>'


def _summary(series: Mapping[str, Sequence[float]], title: str, marked: Mapping[int, str]) -> str:
    """The plot in words."""
    parts = [f"{title}, a plot."]
    for name, values in series.items():
        known = [y for _, y in _known(values)]
        if not known:
            parts.append(f"{name}: no values.")
            continue
        parts.append(
            f"{name}: {len(values)} values, first {known[0]:.4g}, last {known[-1]:.4g}, "
            f"from {min(known):.4g} to {max(known):.4g}."
        )
        if len(known) < len(values):
            parts.append(f"{len(values) - len(known)} are not finite.")
    parts += [f"At {x}: {text}." for x, text in marked.items()]
    return " ".join(parts)
