"""Tab "Text to image"."""

from typing import Any

from ui.controls import prompt_group, size_group
from ui.shared import Inputs
from ui.tabs.tab import Tab

__all__ = ["TextToImage"]


class TextToImage(Tab):
    """A picture of what a text says."""

    title = "Text to image"
    task = "text-to-image"
    examples = (
        "a large shiny red sphere on a wooden floor",
        "a small matte blue cube and a green cone",
        "a yellow cylinder, pink background",
    )

    def compose(self) -> Inputs:
        return prompt_group(autofocus=True)

    def settings(self) -> Inputs:
        inputs = self.text_settings()
        return inputs | size_group(self.shared, self.task, inputs["model"])

    async def call(
        self,
        prompt: str,
        model: str,
        negative_prompt: str = "",
        scheduler: str = "",
        schedule_type: str = "",
        steps: int = 25,
        guidance_scale: float = 5.0,
        width: int = 0,
        height: int = 0,
        seed: int = 0,
        count: int = 1,
        owner: str = "",
    ) -> list[dict[str, Any]]:
        """Draw, wait, and return for every picture its seed, its size and the address of its PNG,
        relative to the page. A width or height of 0 is the model's own; so is an empty scheduler,
        and an empty schedule type is the scheduler's. `DPM++ 2M Karras` says both in one.
        """
        return await self.draw(
            owner,
            prompt=prompt,
            model=model,
            negative_prompt=negative_prompt,
            scheduler=scheduler,
            schedule_type=schedule_type,
            steps=steps,
            guidance_scale=guidance_scale,
            width=width,
            height=height,
            seed=seed,
            count=count,
        )
