"""Tab "Unconditional"."""

from typing import Any, ClassVar

import gradio as gr

from ui.controls import model_group, steps_group
from ui.samplers import sampler_group
from ui.shared import Inputs
from ui.tabs.tab import Tab

__all__ = ["Unconditional"]


class Unconditional(Tab):
    """A picture that nobody described, and how it comes out of noise."""

    title = "Unconditional"
    task = "unconditional"
    about = (
        "Draw, wait, and return for every picture its seeds, its size and the address of its "
        "PNG, relative to the page. An empty scheduler is the model's own, an empty schedule "
        "type the scheduler's. `Euler Karras` says both in one."
    )
    defaults: ClassVar[dict[str, Any]] = {"steps": 50}

    def compose(self) -> Inputs:
        gr.HTML(
            '<p class="intro">Nothing to describe: the model starts from noise and draws what it '
            "has learnt. Every seed is another picture.</p>"
        )
        return {}

    def settings(self) -> Inputs:
        models = model_group(self.shared, self.task)
        samplers = sampler_group(self.shared, self.task, models["model"])
        return {**models, **samplers, **steps_group(self.defaults["steps"], elem_classes="live")}
