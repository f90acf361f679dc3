"""The groups of settings that every tab shares."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.checkpoints.catalog import ModelInfo, list_models
from engine.schedulers.registry import SCHEDULERS

__all__ = ["Controls", "build_controls", "refresh"]

# 16 seeds are left above the largest drawn: image i of a run has seed + i
ROLL = "() => [Math.floor(Math.random() * (2 ** 32 - 16)), false]"


@dataclass(frozen=True)
class Controls:
    """Components under the names of the fields of a Request."""

    model: gr.Dropdown
    scheduler: gr.Dropdown
    steps: gr.Slider
    guidance_scale: gr.Slider
    width: gr.Slider
    height: gr.Slider
    seed: gr.Number
    random_seed: gr.Checkbox
    count: gr.Slider
    reuse: gr.Button

    def named(self) -> dict[str, Component]:
        """Values by name; `random_seed` says whether `seed` is to be drawn anew."""
        names = ("model", "scheduler", "steps", "guidance_scale", "width", "height")
        return {name: getattr(self, name) for name in (*names, "seed", "random_seed", "count")}


def build_controls(models: Path, task: str) -> Controls:
    """Place the groups in the current layout; the models are those that can do `task`."""
    found = _able(models, task)
    first = found[0] if found else None
    model = gr.Dropdown(
        label="Model", choices=[m.name for m in found], value=first.name if first else None
    )
    scheduler = gr.Dropdown(label="Scheduler", **_schedulers(first))
    with gr.Row(elem_classes="pair"):
        steps = gr.Slider(1, 200, 25, step=1, precision=0, label="Steps")
        guidance_scale = gr.Slider(0, 20, 5, step=0.1, label="Guidance")
    with gr.Row(elem_classes="pair"):
        width = gr.Slider(label="Width", **_side(first.width if first else 512))
        height = gr.Slider(label="Height", **_side(first.height if first else 512))
    count = gr.Slider(1, 16, 1, step=1, precision=0, label="Pictures")
    with gr.Row(elem_classes="seed"):
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**32 - 1, min_width=120)
        roll = gr.Button("Roll", size="sm", min_width=76, elem_classes="roll")
        reuse = gr.Button("Reuse", size="sm", min_width=84, elem_classes="reuse")
    random_seed = gr.Checkbox(True, label="New seed for every run")
    controls = Controls(
        model, scheduler, steps, guidance_scale, width, height, seed, random_seed, count, reuse
    )
    roll.click(None, outputs=[seed, random_seed], js=ROLL, api_visibility="private")
    seed.input(None, outputs=random_seed, js="() => false", api_visibility="private")
    model.change(
        lambda name: _suit(models, task, name),
        inputs=model,
        outputs=[scheduler, width, height],
        preprocess=False,
        api_visibility="private",
        show_progress="hidden",
        concurrency_limit=None,
    )
    return controls


def refresh(models: Path, task: str, name: str | None) -> dict[str, Any]:
    """Arguments for the model dropdown: models may have come or gone since the start."""
    names = [m.name for m in _able(models, task)]
    return {"choices": names, "value": name if name in names else next(iter(names), None)}


def _able(models: Path, task: str) -> list[ModelInfo]:
    return [m for m in list_models(models) if task in m.tasks]


def _suit(models: Path, task: str, name: str) -> list[Any]:
    """Updates of scheduler, width and height for another model."""
    info = next((m for m in _able(models, task) if m.name == name), None)
    if info is None:
        return [gr.skip(), gr.skip(), gr.skip()]
    return [
        gr.update(**_schedulers(info)),
        gr.update(**_side(info.width)),
        gr.update(**_side(info.height)),
    ]


def _schedulers(info: ModelInfo | None) -> dict[str, Any]:
    named = {cls: name for name, (cls, _) in SCHEDULERS.items()}
    own = f"Model's own ({named.get(info.scheduler, info.scheduler)})" if info else "Model's own"
    return {"choices": [(own, ""), *((name, name) for name in SCHEDULERS)], "value": ""}


def _side(own: int) -> dict[str, Any]:
    """Half to double the side that the model was trained on, in steps that its VAE divides."""
    half = max(8, own // 2 // 8 * 8)
    return {"minimum": half, "maximum": own * 2, "step": 8, "value": own}
