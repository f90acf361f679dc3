"""The groups of inputs that tabs are made of.

Each places its components in the current layout, connects what they do to one another, and returns
those whose values a run needs, under the names of the fields of a Request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import RequestError
from engine.pipelines.limits import LIMITS, executed_steps
from ui.many import Many, many_group
from ui.markup import counted, hint
from ui.shared import SILENT, Inputs, Shared, able_models, named_model, offer
from ui.stage import Parts
from ui.styles import Style

__all__ = [
    "ENDS",
    "Actions",
    "action_group",
    "count_group",
    "fit_group",
    "guidance_group",
    "model_group",
    "negative_group",
    "prompt_group",
    "refresh",
    "seed_group",
    "side",
    "size_group",
    "span",
    "steps_group",
    "strength_group",
    "style_group",
]

ENDS = {"guidance_scale": 20, "count": 16, "mask_blur": 32, "padding": 256}
"""Where sliders end within which nearly everybody stays."""

EFFECTS = (
    (0.85, "Hardly anything of the picture is left."),
    (0.65, "Where things stand stays, roughly; what they are may change."),
    (0.4, "Shapes stay in place; colours and materials follow the prompt."),
    (0.15, "A light touch: everything stays in place, tones shift."),
    (0, "Next to nothing changes."),
)
"""From which strength on a run does what to a picture."""

# 100 seeds are left above the largest drawn: image i of a run has seed + i
ROLL = "() => [Math.floor(Math.random() * (2 ** 32 - 100)), false]"


@dataclass(frozen=True)
class Actions:
    """What starts and ends a run; last: ends it with the picture in hand. many: where a tab has
    prompts."""

    generate: gr.Button
    stop: gr.Button
    last: gr.Button
    many: Many | None

    @property
    def starts(self) -> list[gr.Button]:
        return [self.generate] + ([self.many.start] if self.many else [])


def span(field: str, value: float = 0, end: float | None = None) -> dict[str, Any]:
    """Arguments for a control over all that a request takes.

    end: where a slider ends that is to be dragged with ease. It reaches on to the last where a
    larger `value` is sent to it, which it would cut otherwise.
    """
    low, high = LIMITS[field]
    return {"minimum": low, "maximum": high if end is None or value > end else end}


def action_group(prompts: bool) -> Actions:
    """prompts: whether there can be many of them."""
    with gr.Row(elem_classes="actions"):
        generate = gr.Button("Generate", variant="primary", elem_classes="generate")
        stop = gr.Button("Stop", interactive=False, elem_classes="stop", min_width=80)
    last = gr.Button(
        "Let this picture be the last", visible=False, size="sm", elem_classes="last-picture"
    )
    return Actions(generate, stop, last, many_group() if prompts else None)


def prompt_group(**more: Any) -> Inputs:
    prompt = gr.Textbox(
        label="Prompt",
        placeholder="Describe the picture",
        lines=3,
        max_lines=8,
        elem_classes="prompt",
        **more,
    )
    return {"prompt": prompt}


def style_group(styles: Mapping[str, Style]) -> Inputs:
    """Phrases to add to the prompts; nothing where there are none."""
    if not styles:
        return {}
    return {"styles": gr.Dropdown([*styles], value=[], multiselect=True, label="Styles")}


def negative_group() -> Inputs:
    negative = gr.Textbox(
        label="Negative prompt",
        placeholder="What to keep out of the picture",
        lines=1,
        max_lines=4,
    )
    return {"negative_prompt": negative}


def model_group(shared: Shared, task: str) -> Inputs:
    """The models that can do `task`."""
    names = [model.name for model in able_models(shared.models, task)]
    value = next(iter(names), None)
    model = gr.Dropdown(label="Model", choices=names, value=value, info=_lack(names))

    def there(_: str, name: Any) -> dict[Component, Any]:
        return {model: gr.update(**refresh(shared.models, task, name))}

    shared.opening.add(there, [model], [model])
    return {"model": model}


def size_group(shared: Shared, task: str, model: Component) -> Inputs:
    """Width and height, which begin at the model's own."""
    assert isinstance(model, gr.Dropdown)
    info = named_model(shared.models, task, model.value)
    with gr.Row(elem_classes="pair"):
        width = gr.Slider(label="Width", **side(info.width if info else 512))
        height = gr.Slider(label="Height", **side(info.height if info else 512))

    def own_size(name: str) -> list[Any]:
        info = named_model(shared.models, task, name)
        own = (info.width, info.height) if info else ()
        return [gr.update(**side(pixels)) for pixels in own] or [gr.skip(), gr.skip()]

    # what sends a model along with a size of its own must not lose that
    model.input(own_size, model, [width, height], preprocess=False, **SILENT)
    return {"width": width, "height": height}


def steps_group(value: int = 25, **more: Any) -> Inputs:
    slider = gr.Slider(**span("steps"), value=value, step=1, precision=0, label="Steps", **more)
    return {"steps": slider}


def strength_group(
    steps: Component, value: float = 0.8, effects: Sequence[tuple[float, str]] = EFFECTS
) -> Inputs:
    """How much of the noise is added, and in plain words what that does.

    effects: from which strength on which words hold, the last from 0 on.
    """
    assert isinstance(steps, gr.Slider)
    slider = gr.Slider(**span("strength"), value=value, step=0.05, label="Strength")
    note = gr.HTML(effect(value, steps.value, effects), elem_classes="hint")
    gr.on(
        [slider.change, steps.change],
        partial(effect, effects=effects),
        [slider, steps],
        note,
        preprocess=False,
        trigger_mode="always_last",
        **SILENT,
    )
    return {"strength": slider}


def effect(strength: Any, steps: Any, effects: Sequence[tuple[float, str]]) -> str:
    """What a strength leaves of a picture, and how many of the steps it makes."""
    if not isinstance(strength, int | float) or not isinstance(steps, int | float):
        return ""
    try:
        made = executed_steps(int(steps), strength)
    except RequestError as error:
        return hint(str(error))
    words = next(words for least, words in effects if strength >= least)
    verb = "is" if made == 1 else "are"
    return hint(f"{words} Of {counted(int(steps), 'step')}, {made} {verb} made.")


def fit_group() -> Inputs:
    """How a picture is brought to width and height."""
    ways = [("Crop", "crop"), ("Stretch", "resize"), ("Continue its edges", "fill")]
    return {"fit": gr.Radio(ways, value="crop", label="To fit the size")}


def guidance_group(end: float | None = None, **more: Any) -> Inputs:
    ends = span("guidance_scale", 5, end)
    return {"guidance_scale": gr.Slider(**ends, value=5, step=0.1, label="Guidance", **more)}


def count_group() -> Inputs:
    """How many pictures, and how many of them at once."""
    ends = span("count", 1, ENDS["count"])
    with gr.Row(elem_classes="pair"):
        count = gr.Slider(**ends, value=1, step=1, precision=0, label="Pictures")
        size = gr.Slider(**span("batch_size"), value=1, step=1, precision=0, label="At once")
    return {"count": count, "batch_size": size}


def seed_group(parts: Parts) -> Inputs:
    """The seed; `random_seed` says whether it is to be drawn anew. Reuse takes the seed of the
    picture that `parts` show."""
    with gr.Row(elem_classes="seed"):
        seed = gr.Number(0, label="Seed", precision=0, **span("seed"), min_width=120)
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
    with gr.Accordion("Variations of one seed", open=False, elem_classes="variations"):
        ends = span("variation_strength", 0)
        strength = gr.Slider(**ends, value=0, step=0.01, label="Variation strength")
        other = gr.Number(0, label="Variation seed", precision=0, **span("variation_seed"))
    return {
        "seed": seed,
        "random_seed": fresh,
        "variation_strength": strength,
        "variation_seed": other,
    }


def refresh(models: Path, task: str, name: str | None) -> dict[str, Any]:
    """Arguments for the model dropdown: models may have come or gone since the start."""
    names = [m.name for m in able_models(models, task)]
    value = name if name in names else next(iter(names), None)
    return {**offer(names, value, name), "info": _lack(names)}


def _lack(names: Sequence[str]) -> str | None:
    return None if names else "No model here can do this: put one that can into the models folder."


def side(own: int, value: int | None = None) -> dict[str, Any]:
    """Arguments for a control of a side, in steps that the VAE divides: from half to double of what
    the model was trained on, and to a value that lies beyond."""
    half, value = max(8, own // 2 // 8 * 8), own if value is None else value
    ends = {"minimum": min(half, value), "maximum": max(own * 2, value)}
    return {**ends, "step": 8, "value": value}
