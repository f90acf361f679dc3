"""What the tabs of a page have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency

from engine.service import Service
from ui.pictures import PictureRoute

__all__ = ["SILENT", "Shared"]

SILENT: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "concurrency_limit": None,
}
"""Arguments of an event that is no part of the API, covers nothing and waits for no other."""


@dataclass(frozen=True)
class Shared:
    """Made once a page, before its tabs.

    models: folder of model folders. session: what the browser keeps for all tabs, as new_session.
    opened: ends when the page has been opened and `session` is known.
    """

    page: gr.Blocks
    service: Service
    models: Path
    route: PictureRoute
    session: gr.BrowserState
    opened: Dependency
