"""A run for each of many prompts, which are written down or come from a text file."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.shared import SILENT, warn

__all__ = ["Many", "many_group", "read_lines"]

MOST = 1_000_000
"""Bytes of a file of prompts."""


@dataclass(frozen=True)
class Many:
    """lines: a prompt each. start: has them drawn."""

    lines: gr.Textbox
    start: gr.Button


def many_group() -> Many:
    """Place the group in the current layout."""
    with gr.Accordion("Many prompts", open=False, elem_classes="many"):
        lines = gr.Textbox(
            label="One prompt on each line",
            placeholder="The settings are those of the tab",
            lines=4,
            max_lines=12,
        )
        with gr.Row():
            given = gr.UploadButton(
                "From a text file", size="sm", min_width=120, file_types=[".txt"], type="binary"
            )
            start = gr.Button("Generate all", size="sm", min_width=120)

    def take(data: bytes | None, before: str) -> Any:
        try:
            return read_lines(data or b"")
        except ValueError as error:
            warn(str(error))
            return before

    given.upload(take, [given, lines], lines, **SILENT)
    return Many(lines, start)


def read_lines(data: bytes) -> str:
    """The text of a file of prompts. Raises ValueError for what is none."""
    if len(data) > MOST:
        raise ValueError(f"The file has more than {MOST:,} bytes: take a part of it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("The file is no UTF-8 text: save it as plain text in UTF-8.") from None
    if "\0" in text:
        raise ValueError("The file is no text.")
    return text
