"""Tab "Unconditional"."""

from typing import Any

import gradio as gr

from ui.controls import model_group, steps_group
from ui.samplers import sampler_group
from ui.shared import Inputs
from ui.tabs.tab import Tab

__all__ = ["Unconditional"]

STEPS = 50


class Unconditional(Tab):
    """A picture that nobody described, and how it comes out of noise."""

    title = "Unconditional"
    task = "unconditional"

    def compose(self) -> Inputs:
        gr.HTML(
            '<p class="intro">Nothing to describe: the model starts from noise and draws what it '
            "has learnt. Every seed is another picture.</p>"
        )
        return {}

    def settings(self) -> Inputs:
        models = model_group(self.shared, self.task)
        samplers = sampler_group(self.shared, self.task, models["model"])
        return {**models, **samplers, **steps_group(STEPS, elem_classes="live")}

    async def call(
        self,
        model: str,
        scheduler: str = "",
        schedule_type: str = "",
        steps: int = STEPS,
        seed: int = 0,
        count: int = 1,
        owner: str = "",
    ) -> list[dict[str, Any]]:
        """Draw, wait, and return for every picture its seed, its size and the address of its PNG,
        relative to the page. An empty scheduler is the model's own, an empty schedule type the
        scheduler's. `Euler Karras` says both in one.
        """
        return await self.draw(
            owner,
            model=model,
            scheduler=scheduler,
            schedule_type=schedule_type,
            steps=steps,
            seed=seed,
            count=count,
        )
