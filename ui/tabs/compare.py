"""Tab "Compare": one prompt over a grid of settings."""

import gradio as gr
from gradio.components import Component

from ui import markup
from ui.compare.bind import Comparing, Parts
from ui.compare.controls import TASK, axis_group, hide_varied
from ui.compare.markup import EMPTY
from ui.controls import guidance_group, model_group, size_group, span, steps_group
from ui.samplers import sampler_group
from ui.session import kept_in_browser
from ui.shared import Inputs, Runs, Shared
from ui.stream import IDLE
from ui.tabs.tab import Tab

__all__ = ["Compare"]

ROLL = "() => Math.floor(Math.random() * (2 ** 32 - 100))"

PRESSED = """
element.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-refer], button[data-use]");
  if (!button) return;
  if (button.dataset.refer) trigger("refer", { cell: +button.dataset.refer });
  else {
    window.stepwise.turn("text-to-image");
    trigger("use", { cell: +button.dataset.use });
  }
});
"""


class Compare:
    """A grid of pictures that differ in one or two settings.

    other: the tab that takes over the settings of a cell; to be built before this one.
    """

    title, task = "Compare", "compare"

    def __init__(self, shared: Shared, other: Tab) -> None:
        """To be called outside `gr.Tabs`, as Tab."""
        self.shared, self._other = shared, other
        self._run = kept_in_browser(self.task)

    def build(self) -> Runs:
        """Lay the tab out, inside `gr.Tabs`."""
        tab = gr.Tab(self.title, id=self.task, elem_id=f"tab-{self.task}")
        with tab, gr.Column(elem_classes="desk comparison"):
            with gr.Column(elem_classes="compose"):
                prompt = gr.Textbox(
                    label="Prompt", placeholder="Describe the picture", lines=2, max_lines=8
                )
                model = model_group(self.shared, TASK)
                across = axis_group(self.shared, model["model"], "Across", "scheduler")
                down = axis_group(self.shared, model["model"], "Down", "steps", optional=True)
                actions = _actions()
            with gr.Column(elem_classes="stage"):
                parts = _stage()
            with gr.Column(elem_classes="settings"):
                inputs = {"prompt": prompt, **model, **self._settings(model["model"])}
        hide_varied((across, down), inputs)
        return Comparing(
            self.shared,
            inputs={**inputs, **across.named("across"), **down.named("down")},
            parts=parts,
            actions=actions,
            run=self._run,
            target=self._other,
        ).connect()

    def _settings(self, model: Component) -> Inputs:
        """What all cells have in common."""
        negative = gr.Textbox(
            label="Negative prompt",
            placeholder="What to keep out of the pictures",
            lines=1,
            max_lines=4,
        )
        samplers = sampler_group(self.shared, TASK, model)
        with gr.Row(elem_classes="pair"):
            numbers = steps_group() | guidance_group()
        sides = size_group(self.shared, TASK, model)
        with gr.Row(elem_classes="seed"):
            seed = gr.Number(0, label="Seed", precision=0, **span("seed"))
            roll = gr.Button("Roll", size="sm", min_width=76, elem_classes="roll")
        roll.click(None, outputs=seed, js=ROLL, api_visibility="private")
        return {"negative_prompt": negative, **samplers, **numbers, **sides, "seed": seed}


def _actions() -> tuple[gr.Button, gr.Button]:
    """What starts and ends a grid."""
    with gr.Row(elem_classes="actions"):
        start = gr.Button("Compare", variant="primary", elem_classes="generate")
        stop = gr.Button("Stop", interactive=False, elem_classes="stop", min_width=80)
    return start, stop


def _stage() -> Parts:
    status = gr.HTML(markup.status(IDLE), elem_classes="status")
    grid = gr.HTML(
        EMPTY,
        html_template="${value.join('')}",
        js_on_load=PRESSED,
        apply_default_css=False,
        elem_classes="matrix",
    )
    with gr.Row(elem_classes="keeping"):
        totals = gr.HTML("", elem_classes="facts-line")
        save = gr.Button("Save as PNG", size="sm", visible=False, min_width=120)
    return Parts(grid, status, totals, save, board=gr.State(None), going=gr.State(True))
