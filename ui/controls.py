"""The groups of inputs that tabs are made of.

Each places its components in the current layout, connects what they do to one another, and returns
those whose values a run needs, under the names of the fields of a Request.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from ui.shared import SILENT, Inputs, Shared, able_models, named_model, offer
from ui.stage import Parts

__all__ = [
    "Actions",
    "action_group",
    "count_group",
    "model_group",
    "refresh",
    "seed_group",
    "size_group",
]

# 16 seeds are left above the largest drawn: image i of a run has seed + i
ROLL = "() => [Math.floor(Math.random() * (2 ** 32 - 16)), false]"


@dataclass(frozen=True)
class Actions:
    """What starts and ends a run."""

    generate: gr.Button
    stop: gr.Button


def action_group() -> Actions:
    with gr.Row(elem_classes="actions"):
        generate = gr.Button("Generate", variant="primary", elem_classes="generate")
        stop = gr.Button("Stop", interactive=False, elem_classes="stop", min_width=80)
    return Actions(generate, stop)


def model_group(shared: Shared, task: str) -> Inputs:
    """The models that can do `task`."""
    names = [model.name for model in able_models(shared.models, task)]
    model = gr.Dropdown(label="Model", choices=names, value=next(iter(names), None))
    shared.page.load(
        lambda name: gr.update(**refresh(shared.models, task, name)),
        model,
        model,
        preprocess=False,
        **SILENT,
    )
    return {"model": model}


def size_group(shared: Shared, task: str, model: Component) -> Inputs:
    """Width and height, which begin at the model's own."""
    assert isinstance(model, gr.Dropdown)
    info = named_model(shared.models, task, model.value)
    with gr.Row(elem_classes="pair"):
        width = gr.Slider(label="Width", **_side(info.width if info else 512))
        height = gr.Slider(label="Height", **_side(info.height if info else 512))

    def own_size(name: str) -> list[Any]:
        info = named_model(shared.models, task, name)
        sides = (info.width, info.height) if info else ()
        return [gr.update(**_side(side)) for side in sides] or [gr.skip(), gr.skip()]

    # what sends a model along with a size of its own must not lose that
    model.input(own_size, model, [width, height], preprocess=False, **SILENT)
    return {"width": width, "height": height}


def count_group() -> Inputs:
    return {"count": gr.Slider(1, 16, 1, step=1, precision=0, label="Pictures")}


def seed_group(parts: Parts) -> Inputs:
    """The seed; `random_seed` says whether it is to be drawn anew. Reuse takes the seed of the
    picture that `parts` show."""
    with gr.Row(elem_classes="seed"):
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**32 - 1, min_width=120)
        roll = gr.Button("Roll", size="sm", min_width=76, elem_classes="roll")
        reuse = gr.Button("Reuse", size="sm", min_width=84, elem_classes="reuse")
    fresh = gr.Checkbox(True, label="New seed for every run")
    roll.click(None, outputs=[seed, fresh], js=ROLL, api_visibility="private")
    seed.input(None, outputs=fresh, js="() => false", api_visibility="private")
    reuse.click(
        lambda results, shown: (results[shown].seed, False) if results else (gr.skip(), gr.skip()),
        [parts.results, parts.shown],
        [seed, fresh],
        **SILENT,
    )
    return {"seed": seed, "random_seed": fresh}


def refresh(models: Path, task: str, name: str | None) -> dict[str, Any]:
    """Arguments for the model dropdown: models may have come or gone since the start."""
    names = [m.name for m in able_models(models, task)]
    return offer(names, name if name in names else next(iter(names), None), name)


def _side(own: int) -> dict[str, Any]:
    """Half to double the side that the model was trained on, in steps that its VAE divides."""
    half = max(8, own // 2 // 8 * 8)
    return {"minimum": half, "maximum": own * 2, "step": 8, "value": own}
