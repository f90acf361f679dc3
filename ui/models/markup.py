"""The HTML of models and of downloads. Every value is escaped: `gr.HTML` escapes nothing."""

from collections.abc import Collection, Sequence
from html import escape

from engine.checkpoints.catalog import ModelInfo
from engine.checkpoints.download import Plan
from engine.service.downloads import DownloadInfo
from ui.history.markup import size_of
from ui.markup import counted, duration

__all__ = ["cards", "downloads", "facts_of", "plan"]

PLACES = {"folder": "a folder here", "file": "one file here", "Hub": "from the Hub"}
STATES = {
    "waiting": "Waiting",
    "running": "Asking the Hub",
    "done": "Done: it is in the lists of models.",
    "stopped": "Stopped: what is here stays for the next time.",
    "failed": "That did not work.",
}


def facts_of(model: ModelInfo) -> str:
    """What is known of a model, for a list: kind, picture size, type of its numbers, bytes."""
    size = f"{model.width} px" if model.width == model.height else f"{model.width}×{model.height}"
    parts = [model.family, size, model.dtype, size_of(model.bytes)]
    return ", ".join(part for part in parts if part)


def cards(models: Sequence[ModelInfo], starred: Collection[str], safety: bool) -> list[str]:
    """An item for each model; safety: whether safety checkers are loaded."""
    ordered = sorted(models, key=lambda model: model.name not in starred)
    return [_card(model, model.name in starred, safety) for model in ordered]


def _card(model: ModelInfo, starred: bool, safety: bool) -> str:
    name = escape(model.name)
    does = ", ".join(task.replace("-", " ") for task in model.tasks) or "nothing here"
    prediction = str(model.scheduler_config.get("prediction_type") or "")
    facts = [facts_of(model), PLACES[model.source], f"does {does}"]
    if prediction and prediction != "epsilon":
        facts.append(prediction.replace("_", "-"))
    if model.checker:
        facts.append("safety checker" if safety else "its safety checker is off (--no-safety)")
    return (
        f'<li data-id="{name}"><button type="button" class="star" data-act="star" '
        f'aria-pressed="{str(starred).lower()}" aria-label="Star: {name}">★</button>'
        f'<div><p class="what">{name}</p><p>{escape(" · ".join(facts))}</p></div></li>'
    )


def plan(found: Plan) -> str:
    """What a download would bring, for a person to decide."""
    left = found.bytes - found.here
    here = f", {size_of(found.here)} of them are here" if found.here else ""
    facts = {
        "Kind": found.pipeline,
        "Licence": found.licence or "not told: read its page",
        "Access": "gated, and you were let in" if found.gated else "open to everyone",
        "Files": f"{counted(len(found.files), 'file')}, {size_of(found.bytes)}{here}",
        "Free on the disk": size_of(found.free),
        "Version": found.commit[:8] + (f" ({found.revision})" if found.revision else ""),
    }
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
    )
    short = (
        f'<p role="alert">{size_of(found.lacking)} too little: make room first.</p>'
        if found.lacking
        else ""
    )
    whole = "" if left else '<p role="status">All of it is here.</p>'
    return (
        f'<section class="plan" aria-label="What a download would bring">'
        f'<h3><a href="{escape(found.page)}" target="_blank" rel="noreferrer">'
        f"{escape(found.name)}</a></h3><dl>{rows}</dl>{short}{whole}</section>"
    )


def downloads(infos: Sequence[DownloadInfo]) -> list[str]:
    """An item for each download, the newest first."""
    return [_download(info) for info in reversed(infos)]


def _download(info: DownloadInfo) -> str:
    name, progress = escape(info.name), info.progress
    words, done = STATES[info.state], 0.0
    if info.state == "failed":
        words = f"{words} {info.message}"
    elif info.state == "running" and progress:
        words, done = _arrived(info), progress.done / max(1, progress.total)
    elif info.state == "done":
        done = 1.0
    act, text = ("start", "Go on") if info.state in ("stopped", "failed") else ("stop", "Stop")
    button = (
        f'<button type="button" data-act="{act}" aria-label="{text}: {name}">{text}</button>'
        if info.state != "done"
        else ""
    )
    return (
        f'<li data-id="{escape(info.id)}" data-state="{info.state}"><p class="what">{name}</p>'
        f'<div class="bar" style="--done:{done:.4f}"></div>'
        f"<p>{escape(words)}</p>{button}</li>"
    )


def _arrived(info: DownloadInfo) -> str:
    progress = info.progress
    assert progress is not None
    parts = [f"{size_of(progress.done)} of {size_of(progress.total)}"]
    if progress.speed:
        parts.append(f"{size_of(int(progress.speed))}/s")
    if progress.left is not None:
        parts.append(f"{duration(progress.left)} left")
    return " · ".join([*parts, *([progress.file] if progress.file else [])])
