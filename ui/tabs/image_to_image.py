"""Tab "Image to image"."""

from ui.controls import fit_group, size_group, strength_group
from ui.shared import Inputs
from ui.tabs.picture_tab import Example, PictureTab

__all__ = ["ImageToImage"]


class ImageToImage(PictureTab):
    """A picture made into another one."""

    title = "Image to image"
    task = "image-to-image"
    about = (
        "As text_to_image, beginning with a picture: a PNG, JPEG or WebP file in base64. Of the "
        "steps, the part that strength says is made. fit is crop, resize or fill."
    )
    tries = (
        Example("a large shiny blue sphere on a wooden floor", {"image": "red-sphere.png"}),
        Example("a large shiny green cube on a slate floor", {"image": "blue-cube.png"}),
        Example("a yellow cone and a purple cylinder, sunset background", {"image": "pair.png"}),
    )

    def settings(self) -> Inputs:
        inputs = self.text_settings()
        inputs |= strength_group(inputs["steps"])
        inputs |= size_group(self.shared, self.task, inputs["model"])
        return inputs | fit_group()
