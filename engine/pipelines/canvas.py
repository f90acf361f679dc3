"""A picture and the mask of what is to be repainted in it."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch.nn.functional as F
from PIL import Image, ImageChops, ImageFilter
from torch import Tensor

from engine.errors import PictureError, RequestError
from engine.images import as_maps, as_pixels, sizes_of, to_tensor, whole_size
from engine.pictures import as_mask, as_rgb, check_size, fit

__all__ = ["Canvas", "PastedCanvas", "make_canvas", "marked"]

Box: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True)
class Canvas:
    """What the model is to see: pixels (N, 3, H, W) in -1..1, and what of them is repainted.

    mask: (M, 1, H, W), 1 where it is, 0 elsewhere.
    """

    pixels: Tensor
    mask: Tensor


@dataclass(frozen=True)
class PastedCanvas(Canvas):
    """A part of a picture, or all of it, that is pasted back.

    picture, cover: the whole in RGB, and in L how much of each pixel is replaced.
    box: what the model sees of them: left, top, right, bottom. how: the way back, as in `fit`.
    """

    picture: Image.Image
    cover: Image.Image
    box: Box
    how: str

    def pasted(self, painted: Image.Image) -> Image.Image:
        """The whole picture; where the cover is 0, it has exactly the pixels that it had."""
        left, top, right, bottom = self.box
        whole = self.picture.copy()
        whole.paste(fit(painted, right - left, bottom - top, self.how), (left, top))
        return Image.composite(whole, self.picture, self.cover)


def make_canvas(
    image: Any,
    mask_image: Any,
    size: tuple[int, int],
    *,
    multiple: int,
    padding: int | None,
    blur: int,
    paste: bool,
) -> Canvas:
    """Bring a picture, or a part of it, and its mask to a size, width and height.

    image: as `as_pixels` takes it; it is stretched. mask_image: of the same size, what is to be
    repainted, as `as_mask` reads it, or numbers from 0 to 1; it may be everything.
    padding: the model sees only the part around what is marked, with so many pixels at its sides,
    and that is pasted back. None: it sees the whole picture.
    paste: deliver the picture at its own size, with exactly its own pixels where the mask is 0.
    blur: of what is pasted back, how softly it ends: around the mask it fades into the picture, by
    a Gaussian of this standard deviation in pixels, and what it does not reach stays as it is.
    To paste back needs one picture and one mask, of Pillow. Raises `PictureError`.
    """
    for name, value in (("padding_mask_crop", padding), ("mask_blur", blur)):
        if value is not None and not value >= 0:
            raise RequestError(f"{name} is {value}: a number of pixels is needed, 0 or more.")
    if padding is not None or paste:
        return _cut(image, mask_image, size, multiple, padding, blur)
    if blur:
        raise RequestError("mask_blur softens what is pasted back: set paste_back as well.")
    return _stretched(image, mask_image, size, multiple)


def _stretched(image: Any, mask_image: Any, size: tuple[int, int], multiple: int) -> Canvas:
    pixels = as_pixels("image", image, multiple, size)
    _check_sizes(sizes_of("image", image, 4), sizes_of("mask_image", mask_image, 3))
    maps = as_maps("mask_image", mask_image, lambda one: to_tensor(fit(as_mask(one), *size)))
    if not 0 <= maps.amin().item() <= maps.amax().item() <= 1:
        raise PictureError("mask_image has values outside 0 to 1: give 1 where it is repainted.")
    if 1 not in (len(pixels), len(maps)) and len(pixels) != len(maps):
        raise PictureError(f"image has {len(pixels)} entries and mask_image {len(maps)}.")
    return Canvas(pixels, marked(F.interpolate(maps, size=size[::-1])))


def _cut(
    image: Any,
    mask_image: Any,
    size: tuple[int, int],
    multiple: int,
    padding: int | None,
    blur: int,
) -> PastedCanvas:
    if not isinstance(image, Image.Image) or not isinstance(mask_image, Image.Image):
        raise PictureError(
            "padding_mask_crop and paste_back need a Pillow picture as image and one as "
            f"mask_image; these are {type(image).__name__} and {type(mask_image).__name__}."
        )
    for name, one in (("image", image), ("mask_image", mask_image)):
        check_size(name, one)
    picture, mask = as_rgb(image), as_mask(mask_image)
    whole_size("image", picture.size, multiple)
    _check_sizes([picture.size], [mask.size])
    box, how, back = (0, 0, *picture.size), "resize", "resize"
    if padding is not None:
        box, how, back = _region(mask, size, padding), "fill", "crop"
    pixels, seen = (to_tensor(fit(one.crop(box), *size, how)) for one in (picture, mask))
    cover = ImageChops.lighter(mask, mask.filter(ImageFilter.GaussianBlur(blur)))
    return PastedCanvas(2 * pixels[None] - 1, marked(seen[None, None]), picture, cover, box, back)


def marked(mask: Tensor) -> Tensor:
    """1 where a mask (M, 1, H, W) is 0.5 or more, else 0; raises `PictureError` if nowhere."""
    mask = (mask >= 0.5).float()
    if not bool(mask.flatten(1).any(1).all()):
        raise PictureError(
            "mask_image marks nothing, or too little to be seen at the model's resolution: paint "
            "white what is to be repainted, in broader strokes, or with padding_mask_crop."
        )
    return mask


def _check_sizes(images: list[tuple[int, int]], masks: list[tuple[int, int]]) -> None:
    if len({*images, *masks}) > 1:
        image, mask = (", ".join(f"{w} x {h}" for w, h in sizes) for sizes in (images, masks))
        raise PictureError(
            f"image is {image} pixels and mask_image {mask}: they must be of one size."
        )


def _region(mask: Image.Image, size: tuple[int, int], padding: int) -> Box:
    """The part of a picture around its mask: padded, then grown to the proportions of a size."""
    found = mask.getbbox() or (0, 0, *mask.size)
    left, top = (max(side - padding, 0) for side in found[:2])
    right, bottom = (min(s + padding, e) for s, e in zip(found[2:], mask.size, strict=True))
    ratio = size[0] / size[1]
    if (right - left) / (bottom - top) > ratio:
        top, bottom = _grown(top, bottom, (right - left) / ratio, mask.height)
    else:
        left, right = _grown(left, right, (bottom - top) * ratio, mask.width)
    return left, top, right, bottom


def _grown(low: int, high: int, length: float, limit: int) -> tuple[int, int]:
    """A stretch of some length at most, around another if there is room, within 0 to a limit."""
    more = int(length - (high - low))
    low, high = low - more // 2, high + more - more // 2
    back = max(high - limit, 0)
    low, high = low - back, high - back
    return (low, high) if low >= 0 else (0, min(high - low, limit))
