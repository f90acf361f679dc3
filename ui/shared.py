"""What the tabs of a page have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.checkpoints.catalog import ModelInfo, list_models
from engine.service import Service
from ui.opening import Opening
from ui.pictures import PictureRoute
from ui.session import Owners
from ui.styles import Style

__all__ = ["SILENT", "Inputs", "Runs", "Shared", "able_models", "named_model", "offer", "warn"]

Inputs = dict[str, Component]
"""Field of a Request -> the component that asks for it."""

SILENT: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "concurrency_limit": None,
}
"""Arguments of an event that is no part of the API, covers nothing and waits for no other."""


@dataclass(frozen=True)
class Shared:
    """Made once a page, before its tabs.

    models: folder of model folders. session: what the browser keeps for all tabs, as
    `Owners.session`. opened: ends when the page has been opened and `session` is known. styles: by
    name. opening: what a page is told when it has been opened.
    """

    service: Service
    models: Path
    route: PictureRoute
    owners: Owners
    session: gr.BrowserState
    opened: Dependency
    styles: Mapping[str, Style]
    opening: Opening = field(default_factory=Opening)


@dataclass(frozen=True)
class Runs:
    """Events of a tab. begun: end when a run has been put in line; ended: when none goes on."""

    begun: list[Dependency]
    ended: list[Dependency]


def warn(message: str) -> None:
    """For who has scrolled away from the status line."""
    gr.Warning(escape(message))


def offer(choices: Sequence[Any], value: Any, asked: Any) -> dict[str, Any]:
    """Arguments for a list that is to offer `choices`, with this value.

    asked: its value when it asked. One that stays is not sent: it would undo what was chosen
    while the answer was on its way.
    """
    return {"choices": choices} if value == asked else {"choices": choices, "value": value}


def able_models(models: Path, task: str) -> list[ModelInfo]:
    """The models of the folder `models` that can do `task`."""
    return [model for model in list_models(models) if task in model.tasks]


def named_model(models: Path, task: str, name: object) -> ModelInfo | None:
    """The one of them with this name."""
    return next((model for model in able_models(models, task) if model.name == name), None)
