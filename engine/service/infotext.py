"""The text by which AUTOMATIC1111's web UI, and what has grown around it, know a picture.

Prompt, then a line that begins with "Negative prompt: " if there is one, then one line of settings
by name, separated by commas. Source: its `create_infotext` and `parse_generation_parameters`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.pipelines.request import Request
from engine.schedulers.registry import SCHEDULERS, split_name

__all__ = ["PARAMETERS", "Infotext", "read_infotext", "write_infotext"]

PARAMETERS = "parameters"
"""Keyword of the PNG's text chunk."""

NEGATIVE = "Negative prompt:"
FEWEST = 3
"""Settings that the last line holds at least: with fewer it is a line of the prompt."""

THEIRS = {"PNDM": "PLMS", "AYS": "Align Your Steps"}
"""Our names of samplers and schedule types -> theirs, where they differ."""
FILLS = {"noise": "latent noise", "blank": "latent nothing"}
"""What fills a mask -> their name for it; "original" goes without saying."""


@dataclass(frozen=True)
class Infotext:
    """settings: by their names, as they are written, without the quotes."""

    prompt: str = ""
    negative_prompt: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


def write_infotext(request: Request, scheduler: str) -> str:
    """The text for a picture of its own.

    request: for this picture alone, with the width and height that it has. scheduler: class of the
    one that the run began with.
    """
    texts = [request.prompt] if request.prompt else []
    if request.negative_prompt:
        texts.append(f"{NEGATIVE} {request.negative_prompt}")
    settings = {name: value for name, value in _settings(request, scheduler).items() if value}
    texts.append(", ".join(f"{name}: {_quoted(value)}" for name, value in settings.items()))
    return "\n".join(texts).replace("\0", "").strip()


def _settings(request: Request, scheduler: str) -> dict[str, str]:
    """Name -> value, in their order; empty where it does not apply."""
    sampler, kind = split_name(request.scheduler) if request.scheduler else ("", "")
    kind = request.schedule_type or kind or "Automatic"
    varied, used = request.variation_strength > 0, request.used()
    return {
        "Steps": str(request.steps),
        "Sampler": THEIRS.get(sampler, sampler) or _named(scheduler),
        "Schedule type": THEIRS.get(kind, kind),
        "CFG scale": _number(used.get("guidance_scale")),
        "Seed": str(request.seed),
        "Size": f"{request.width}x{request.height}",
        "Model": request.model,
        "Variation seed": str(request.variation_seed) if varied else "",
        "Variation seed strength": _number(request.variation_strength) if varied else "",
        "Denoising strength": _number(used.get("strength")),
        "Mask mode": "Inpaint not masked" if used.get("invert_mask") else "",
        "Mask blur": str(used.get("mask_blur") or ""),
        "Inpaint area": "Only masked" if request.padding is not None else "",
        "Masked area padding": "" if request.padding is None else str(request.padding),
        "Masked content": FILLS.get(used.get("fill", ""), ""),
        "RNG": "CPU",
        "Version": "Stepwise",
    }


def _named(scheduler: str) -> str:
    """Their name of a scheduler's class, or the class's own."""
    name = next((name for name, (cls, _) in SCHEDULERS.items() if cls == scheduler), scheduler)
    return THEIRS.get(name, name)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if value == int(value) else repr(value)


def _quoted(value: str) -> str:
    if any(mark in value for mark in ",:\n"):
        return json.dumps(value, ensure_ascii=False)
    return value


def read_infotext(text: str) -> Infotext:
    """What a text says; one without settings is a prompt. Takes as long as the text is."""
    *lines, last = text.strip().split("\n")
    settings = _read_settings(last)
    if len(settings) < FEWEST:
        lines, settings = [*lines, last], {}
    begins = (number for number, line in enumerate(lines) if line.strip().startswith(NEGATIVE))
    place = next(begins, len(lines))
    negative = "\n".join(lines[place:]).strip().removeprefix(NEGATIVE)
    return Infotext("\n".join(lines[:place]).strip(), negative.strip(), settings)


def _read_settings(line: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    begin, quotes = 0, True
    while (colon := line.find(":", begin)) >= 0:
        name = line[begin:colon].rpartition(",")[2].strip()
        begin = colon + 1
        while line[begin : begin + 1] == " ":
            begin += 1
        value, end = None, 0
        if quotes and line[begin : begin + 1] in ('"', "{", "["):
            value, end = _read_quoted(line, begin)
            quotes = value is not None  # else each of many would be read to the end of the line
        comma = line.find(",", max(begin, end))
        comma = len(line) if comma < 0 else comma
        settings[name] = line[begin:comma].strip() if value is None else value
        begin = comma + 1
    return settings


def _read_quoted(line: str, begin: int) -> tuple[str | None, int]:
    """A value that is written as JSON, as it holds commas, and its end; None if it is no such."""
    try:
        value, end = json.JSONDecoder().raw_decode(line, begin)
    except (ValueError, RecursionError):
        return None, begin
    if line[end : end + 1] not in ("", ","):
        return None, begin
    return value if isinstance(value, str) else line[begin:end], end
