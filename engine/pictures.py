"""Pictures as people give them: from files and bytes that nobody vouches for, in any mode."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, PngImagePlugin

from engine.checks import choice
from engine.errors import PictureError

__all__ = [
    "FITS",
    "FLAT",
    "FORMATS",
    "MAX_PIXELS",
    "as_depth",
    "as_mask",
    "as_rgb",
    "check_size",
    "depth_picture",
    "fit",
    "open_picture",
    "upright",
]

FORMATS = ("PNG", "JPEG", "WEBP")
"""What is opened: Pillow would try dozens of decoders, some of them rarely looked after."""

FITS = ("resize", "crop", "fill")
"""How a picture is brought to a size: see `fit`."""

MAX_PIXELS = 40_000_000

PngImagePlugin.MAX_TEXT_MEMORY = 16 * 2**20  # all texts of a file, once inflated

DEEP = ("I;16", "I;16B", "I;16L", "I", "F")
"""Modes of one channel that hold more than a byte."""

FLAT = (
    "the depth is the same everywhere, or has values that are not numbers: choose another picture, "
    "or give another depth_map."
)

DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise for a damaged file."""


def open_picture(source: Path | str | bytes) -> Image.Image:
    """Decode a PNG, JPEG or WebP file, or its bytes, and turn it upright as its EXIF says.

    The mode stays as it is in the file, 16 bits too: see `as_rgb`, `as_mask` and `as_depth`.
    The size is read from the header and checked before anything is decoded.
    Raises `PictureError` for what is no such file, damaged, animated, in CMYK or too large.
    """
    name = "the picture" if isinstance(source, bytes) else Path(source).name
    file = BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(file, formats=FORMATS) as image:
            check_size(name, image)
            # in a JPEG, more pictures are views or thumbnails of the first
            if image.format in ("PNG", "WEBP") and getattr(image, "n_frames", 1) > 1:
                raise PictureError(f"{name} is animated: save one of its pictures by itself.")
            if image.mode == "CMYK":
                raise PictureError(f"{name} is in CMYK, for print: save it in RGB.")
            image.load()
            return upright(image)
    except PictureError:
        raise
    except FileNotFoundError:
        raise PictureError(f"{name} is not there: choose a file that is.") from None
    except Image.UnidentifiedImageError:
        raise PictureError(
            f"{name} is no PNG, JPEG or WebP picture, whatever it is called: save it as one."
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError(
            f"{name} has more than {MAX_PIXELS:,} pixels: make it smaller."
        ) from None
    except DAMAGE as error:
        raise PictureError(f"{name} is damaged ({error}): save it anew.") from None


def check_size(name: str, image: Image.Image) -> None:
    """Raise a `PictureError` for more than `MAX_PIXELS`."""
    if image.width * image.height > MAX_PIXELS:
        raise PictureError(
            f"{name} is {image.width} x {image.height} pixels, at most {MAX_PIXELS:,} in all are "
            "taken: make it smaller."
        )


def as_rgb(image: Image.Image) -> Image.Image:
    """Upright, in RGB, what is transparent on white."""
    image = upright(image)
    if image.mode in DEEP:
        return _eight_bits(image).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def as_mask(image: Image.Image) -> Image.Image:
    """Upright, in L: 255 where it is marked, 0 where not.

    What is marked is white; or, in a picture of which a part is transparent, what is not.
    """
    image = upright(image)
    if image.mode in DEEP:
        return _eight_bits(image)
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
        low, _ = alpha.getextrema()
        if low != 255:
            return alpha
    return image.convert("L")


def as_depth(image: Image.Image) -> npt.NDArray[np.float32]:
    """Upright, (H, W), in the units of the file: 16 bits are read as they are."""
    image = upright(image)
    return np.array(image if image.mode in DEEP else image.convert("L"), np.float32)


def depth_picture(depth: npt.NDArray[np.floating]) -> Image.Image:
    """A grey picture of a depth (H, W), the largest values white, the smallest black.

    Raises `PictureError` for a depth without near and far.
    """
    low, high = float(depth.min()), float(depth.max())
    if not low < high < float("inf") or low == -float("inf"):
        raise PictureError(FLAT)
    return Image.fromarray(((depth - low) / (high - low) * 255).round().astype(np.uint8))


def fit(image: Image.Image, width: int, height: int, how: str = "resize") -> Image.Image:
    """Bring a picture in RGB, L or F to a size in pixels.

    how: "resize" stretches it; "crop" keeps its proportions and cuts off what is too much at two
    sides; "fill" keeps them and goes on with the outermost rows or columns at two sides.
    """
    choice("how", how, FITS)
    if how == "resize":
        return image.resize((width, height), Image.Resampling.LANCZOS)
    wider = image.width * height > width * image.height
    if wider == (how == "crop"):
        size = (max(1, image.width * height // image.height), height)
    else:
        size = (width, max(1, image.height * width // image.width))
    scaled = image.resize(size, Image.Resampling.LANCZOS)
    left, top = width // 2 - scaled.width // 2, height // 2 - scaled.height // 2
    fitted = Image.new(image.mode, (width, height))
    fitted.paste(scaled, (left, top))
    right, bottom = left + scaled.width, top + scaled.height
    for box, edge in (
        ((0, 0, left, height), (0, 0, 0, scaled.height)),
        ((right, 0, width, height), (scaled.width, 0, scaled.width, scaled.height)),
        ((0, 0, width, top), (0, 0, scaled.width, 0)),
        ((0, bottom, width, height), (0, scaled.height, scaled.width, scaled.height)),
    ):
        strip = (box[2] - box[0], box[3] - box[1])
        if min(strip) > 0:
            fitted.paste(scaled.resize(strip, box=edge), box)
    return fitted


def upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says."""
    return ImageOps.exif_transpose(image)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Of 16 bits to the full; those of other modes have no known range."""
    if not image.mode.startswith("I;16"):
        raise PictureError(f"the picture has the mode {image.mode}: convert it to RGB or L.")
    values = np.asarray(image, np.float32) / 257
    return Image.fromarray(values.round().astype(np.uint8))
