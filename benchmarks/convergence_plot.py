"""Errors over calls of the model, both logarithmic, as an SVG file."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Line", "draw"]

WIDTH, HEIGHT = 900, 560
LEFT, RIGHT, TOP, BOTTOM = 70, 290, 40, 50
COLOURS = {1: "#b3261e", 2: "#1f5fbf", 3: "#1b7f3b", 4: "#8a3ffc"}
"""Order -> colour, each of a contrast with white above 4.5."""
SPACE = 15
"""Least distance of two names, in pixels."""


@dataclass(frozen=True)
class Line:
    """What one sampler did. calls, errors: of the same length."""

    name: str
    order: int
    calls: tuple[float, ...]
    errors: tuple[float, ...]


def merged(lines: Iterable[Line]) -> list[Line]:
    """Lines that lie on one another as one with all of their names."""
    groups: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        key = tuple(f"{value:.1e}" for value in (*line.calls, *line.errors))
        groups.setdefault(key, []).append(line)
    names = {key: " / ".join(line.name for line in group) for key, group in groups.items()}
    return [
        Line(names[key], group[0].order, group[0].calls, group[0].errors)
        for key, group in groups.items()
    ]


class Axis:
    """A logarithmic axis. values: what it must hold; start, end: pixels."""

    def __init__(self, values: Iterable[float], start: float, end: float) -> None:
        logs = [math.log10(value) for value in values]
        self.low, self.high, self.start, self.end = min(logs), max(logs), start, end

    def at(self, value: float) -> float:
        """The pixel of a value."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def decades(self) -> list[float]:
        """Powers of ten on it."""
        return [10.0**k for k in range(math.ceil(self.low), math.floor(self.high) + 1)]


def spread(wanted: Sequence[float]) -> list[float]:
    """Heights near those that are wanted, from the top down, none closer than SPACE."""
    placed: list[float] = []
    for height in wanted:
        placed.append(max(height, placed[-1] + SPACE) if placed else height)
    over = max(0.0, placed[-1] - (HEIGHT - BOTTOM))
    return [height - over * index / len(placed) for index, height in enumerate(placed, 1)]


def draw(lines: Iterable[Line]) -> str:
    """The plot: a line for each sampler, its name where it ends, coloured by its order."""
    shown = sorted(merged(lines), key=lambda line: -line.errors[-1])
    x = Axis((calls for line in shown for calls in line.calls), LEFT, WIDTH - RIGHT)
    y = Axis((error for line in shown for error in line.errors), HEIGHT - BOTTOM, TOP)
    heights = spread([y.at(line.errors[-1]) for line in shown])
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="system-ui, sans-serif" font-size="12" role="img">',
            "<title>Error of every noiseless sampler over calls of the model</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            *_grid(x, y),
            *(_line(line, x, y, height) for line, height in zip(shown, heights, strict=True)),
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = "#333") -> str:
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {where} fill="{colour}" dominant-baseline="middle">{escape(text)}</text>'


def _grid(x: Axis, y: Axis) -> list[str]:
    parts = []
    for tick in y.decades():
        rule = f"M {LEFT} {y.at(tick):.1f} H {WIDTH - RIGHT}"
        parts.append(f'<path d="{rule}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y.at(tick), f"{tick:.0e}", "end"))
    for tick in (10, 20, 50, 100, 200):
        parts.append(_text(x.at(tick), HEIGHT - BOTTOM + 18, str(tick), "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "calls of the model", "middle"))
    for order, colour in COLOURS.items():
        parts.append(_text(LEFT + 80 * (order - 1), TOP - 20, f"order {order}", colour=colour))
    parts.append(_text(LEFT + 330, TOP - 20, "error of the end point, root mean square"))
    return parts


def _line(line: Line, x: Axis, y: Axis, height: float) -> str:
    points = [
        (x.at(calls), y.at(error)) for calls, error in zip(line.calls, line.errors, strict=True)
    ]
    places = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    colour, (end, level), edge = COLOURS[line.order], points[-1], WIDTH - RIGHT
    lead = f"M {end:.1f} {level:.1f} L {edge + 4} {height:.1f} h 6"
    return (
        f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        f'<path d="{lead}" fill="none" stroke="{colour}" stroke-width="0.5"/>'
        + _text(edge + 14, height, line.name, colour=colour)
    )
