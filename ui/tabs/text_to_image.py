"""Tab "Text to image"."""

from ui.controls import prompt_group, size_group
from ui.shared import Inputs
from ui.tabs.tab import Tab

__all__ = ["TextToImage"]


class TextToImage(Tab):
    """A picture of what a text says."""

    title = "Text to image"
    task = "text-to-image"
    about = (
        "Draw, wait, and return for every picture its seeds, its size and the address of its "
        "PNG, relative to the page. A width or height of 0 is the model's own; so is an empty "
        "scheduler, and an empty schedule type is the scheduler's. `DPM++ 2M Karras` says both "
        "in one."
    )
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
