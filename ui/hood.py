"""The HTML of "Under the hood": the schedule, the run, the model, the memory. All is escaped."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ui.changes import told
from ui.markup import counted
from ui.plot import lines
from ui.stream import View

__all__ = ["config", "memory", "model", "problem", "run", "schedule"]

Answer = Mapping[str, Any]
"""Of the worker, to a query."""


def problem(title: str, message: str) -> str:
    """A section that cannot be shown, and why."""
    return _section(title, f'<p class="problem">{escape(message)}</p>')


def schedule(answer: Answer) -> str:
    """Sigma and timestep over the steps; answer: of the query `schedule`."""
    timesteps, sigmas = answer["timesteps"], answer["sigmas"]
    steps, calls = int(answer["steps"]), int(answer["calls"])
    facts = f"{answer['class']} · {_cost_of(steps, calls)}"
    done = "Steps done" if calls == steps else "Calls done"
    plots = lines({"Sigma": sigmas}, "Sigma", done, log=True)
    plots += lines({"Timestep": timesteps}, "Timestep", done)
    return _section("Schedule", f'<p>{escape(facts)}</p><div class="plots">{plots}</div>')


def config(answer: Answer) -> str:
    """The scheduler's settings as JSON; answer: of the query `schedule`."""
    return _json({"_class_name": answer["class"], **answer["config"]}, "The scheduler's config")


def run(view: View) -> str:
    """What the run cost, what changed on the way, and the norms of what it computed with."""
    changes = told(view)
    pieces = _cost(view) if view.phase == "done" else ""
    items = "".join(
        f"<li{' data-refused' if change.refused else ''}>{escape(str(change))}</li>"
        for change in changes
    )
    if items:
        pieces += f'<ol class="changes" aria-label="Changes on the way">{items}</ol>'
    if view.trace:
        names = {"x": "x, the image", "x0": "x0, as predicted", "eps": "noise, as predicted"}
        norms = {text: view.trace[name] for name, text in names.items()}
        marks = {change.call: change.text for change in changes if not change.refused}
        unit = "Call" if view.several else "Step"
        plot = lines(norms, "Norms per call of the model", unit, log=True, first=1, marks=marks)
        pieces += f'<div class="plots">{plot}</div>'
    return _section("This run" if view.running else "Last run", pieces) if pieces else ""


def _cost(view: View) -> str:
    unit = "Calls" if view.several else "Steps"
    rows = [
        ("Drawn in", _cost_of(view.total, view.calls)),
        ("Loaded for this run", ", ".join(view.loaded) or "nothing, all was in memory"),
        ("Seconds", f"{view.seconds:.2f}"),
        (f"{unit} a second", f"{view.rate:.2f}" if view.rate else "–"),
    ]
    cells = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows)
    return f'<dl class="last-run" data-loaded="{len(view.loaded)}">{cells}</dl>'


def _cost_of(steps: int, calls: int) -> str:
    """Steps, and calls of the model where they are others."""
    return counted(steps, "step") + (f", {calls} calls of the model" if calls != steps else "")


def model(answer: Answer) -> str:
    """Components, how large they are, and how they are configured; answer: of the query `model`."""
    components = answer["components"]
    rows = "".join(
        f'<tr data-part="{escape(str(part["name"]))}">'
        f"<td>{escape(str(part['name']))}</td><td>{escape(str(part['class']))}</td>"
        f'<td class="number">{_count(part["parameters"])}</td></tr>'
        for part in components
    )
    total = sum(part["parameters"] or 0 for part in components)
    table = _table(("Component", "Class", "Parameters"), rows, "Components of the model")
    configs = "".join(
        f"<details><summary>{escape(str(part['name']))}</summary>"
        f"{_json(part['config'], 'Config of ' + str(part['name']))}</details>"
        for part in components
        if part["config"]
    )
    facts = f"{answer['pipeline']} · {_count(total)} parameters"
    group = f'<div class="configs" role="group" aria-label="Configs">Configs{configs}</div>'
    return _section("Model", f'<p class="model">{escape(facts)}</p>{table}{group}')


def memory(figures: Answer) -> str:
    """What the engine holds in memory; figures: of the query `figures`."""
    columns = {
        "model": "Model",
        "name": "Component",
        "bytes": "Size",
        "dtype": "Type",
        "device": "Device",
        "id": "Object",
    }
    rows = "".join(
        f'<tr data-component="{escape(str(row["name"]))}" data-id="{escape(str(row["id"]))}">'
        + "".join(f"<td>{escape(_cell(column, row[column]))}</td>" for column in columns)
        + "</tr>"
        for row in figures["components"]
    )
    budget = f" of {_size(figures['budget'])}" if figures.get("budget") else ""
    return _section(
        "In memory",
        f'<p class="memory" data-loads="{int(figures["loads"])}">'
        f"{_size(figures['bytes'])}{budget}; {int(figures['loads'])} loads since the start</p>"
        + (_table(tuple(columns.values()), rows, "Components in memory") if rows else ""),
    )


def _section(title: str, content: str) -> str:
    return f'<section class="hood"><h3>{escape(title)}</h3>{content}</section>'


def _table(titles: Sequence[str], rows: str, label: str) -> str:
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _json(values: Mapping[str, Any], label: str) -> str:
    text = json.dumps(values, indent=2, default=str)
    return (
        f'<pre class="json" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"{escape(text)}</pre>"
    )


def _cell(column: str, value: object) -> str:
    return _size(int(str(value))) if column == "bytes" else str(value)


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _count(parameters: int | None) -> str:
    if parameters is None:
        return "–"
    if parameters < 1e4:
        return str(parameters)
    scale, unit = (1e9, "B") if parameters >= 1e9 else (1e6, "M")
    return f"{parameters / scale:.2f} {unit}"
