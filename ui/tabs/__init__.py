"""One module a tab, and the order in which the page has them."""

from ui.tabs.depth_to_image import DepthToImage
from ui.tabs.image_to_image import ImageToImage
from ui.tabs.inpaint import Inpaint
from ui.tabs.tab import Tab
from ui.tabs.text_to_image import TextToImage
from ui.tabs.unconditional import Unconditional

__all__ = ["TABS"]

TABS: tuple[type[Tab], ...] = (TextToImage, ImageToImage, Inpaint, DepthToImage, Unconditional)
