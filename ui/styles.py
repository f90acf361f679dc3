"""Phrases that go with prompts, in a file that other programs of this kind know: `styles.csv`."""

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import RequestError

__all__ = ["Style", "load_styles", "with_styles"]

log = logging.getLogger(__name__)

PLACE = "{prompt}"


@dataclass(frozen=True)
class Style:
    """What is added to a prompt and to a negative prompt; `{prompt}` says where they go in it."""

    prompt: str = ""
    negative_prompt: str = ""


def load_styles(path: Path) -> dict[str, Style]:
    """The styles of a file, by name; none, and a word in the log, if there is no such file.

    A row is name, prompt, negative_prompt; one without a prompt of either kind is a heading.
    """
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        read = {str(row.get("name") or "").strip(): _style(row) for row in rows}
    except (OSError, ValueError, csv.Error) as error:
        log.warning("Styles cannot be read: %s", error)
        return {}
    styles = {name: style for name, style in read.items() if name and style != Style()}
    if not styles:
        log.warning("There are no styles in %s: its first row must be name,prompt,…", path)
    return styles


def with_styles(
    styles: Mapping[str, Style], chosen: Sequence[str], prompt: str, negative_prompt: str
) -> tuple[str, str]:
    """A prompt and a negative prompt with the styles chosen, in order. Raises RequestError."""
    for name in dict.fromkeys(chosen):
        if name not in styles:
            raise RequestError(f"There is no style {name!r} any more: take it away.")
        prompt = _added(prompt, styles[name].prompt)
        negative_prompt = _added(negative_prompt, styles[name].negative_prompt)
    return prompt, negative_prompt


def _style(row: Mapping[str, str | None]) -> Style:
    return Style(*(str(row.get(field) or "").strip() for field in ("prompt", "negative_prompt")))


def _added(text: str, more: str) -> str:
    if PLACE in more:
        return more.replace(PLACE, text)
    return ", ".join(part for part in (text, more) if part)
