"""Between tensors and pictures."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engine.errors import EngineError, PictureError
from engine.pictures import MAX_PIXELS, as_rgb, check_size, fit, upright

__all__ = [
    "as_maps",
    "as_pictures",
    "as_pixels",
    "sizes_of",
    "to_pil",
    "to_tensor",
    "whole_size",
]

KINDS = (Image.Image, np.ndarray, Tensor)


def to_pil(pixels: Tensor) -> list[Image.Image]:
    """Turn pixels (B, 3, H, W) in 0..1, clamped, into a list of B RGB pictures.

    One channel makes grey pictures; any number but 1 and 3 is an `EngineError`.
    """
    if pixels.shape[1] not in (1, 3):
        raise EngineError(
            f"{pixels.shape[1]} channels make no picture, only 1 or 3 do: "
            "take output_type='pt' or 'np'."
        )
    scaled = (pixels.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    arrays = scaled.cpu().numpy()
    return [Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array) for array in arrays]


def as_pixels(name: str, value: Any, multiple: int, size: tuple[int, int] | None = None) -> Tensor:
    """Read pictures as (N, 3, H, W) in -1..1, float32.

    value: a Pillow picture, an array (H, W, 3) or (N, H, W, 3), a tensor (3, H, W) or
    (N, 3, H, W), or a list of one of them; numbers are in 0..1, or in -1..1 if any is negative.
    size: width and height to stretch them to. Without it, what is over a multiple of `multiple` is
    squeezed out, and all get the size of the first. name: what an error calls them.
    Raises `PictureError`.
    """
    pictures = as_pictures(name, value)
    if pictures:
        for picture in pictures:
            check_size(name, picture)
        own = whole_size(name, pictures[0].size, multiple)
        width, height = size or own
        fitted = [to_tensor(fit(as_rgb(picture), width, height)) for picture in pictures]
        return 2 * torch.stack(fitted) - 1
    pixels = _stacked(name, value, 4)
    if pixels.shape[1] != 3:
        raise PictureError(f"{name} has {pixels.shape[1]} channels: 3 are needed.")
    low, high = pixels.amin().item(), pixels.amax().item()
    if not (low >= -1 and high <= 1):
        raise PictureError(f"{name} has values from {low:g} to {high:g}: give them in 0 to 1.")
    own = whole_size(name, (pixels.shape[3], pixels.shape[2]), multiple)
    width, height = size or own
    pixels = F.interpolate(pixels, size=(height, width))
    return pixels if low < 0 else 2 * pixels - 1


def as_maps(name: str, value: Any, read: Callable[[Image.Image], Tensor]) -> Tensor:
    """Read maps of one number a pixel as (N, 1, H, W), float32.

    value: a Pillow picture, an array or a tensor (H, W) or (N, H, W), or a list of one of them.
    read: makes (H, W) of a picture. Raises `PictureError`.
    """
    pictures = as_pictures(name, value)
    for picture in pictures:
        check_size(name, picture)
    maps = _stacked(name, [read(picture) for picture in pictures] if pictures else value, 3)
    if not bool(torch.isfinite(maps).all()):
        raise PictureError(f"{name} has values that are not numbers: every pixel needs one.")
    return maps[:, None]


def as_pictures(name: str, value: Any) -> list[Image.Image]:
    """The Pillow pictures of a value, none if it is made of numbers; raises `PictureError`."""
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    kinds = {kind for one in values for kind in KINDS if isinstance(one, kind)}
    if len(kinds) != 1 or not all(isinstance(one, tuple(kinds)) for one in values):
        what = "nothing" if value is None or not values else f"a {type(values[0]).__name__}"
        raise PictureError(
            f"{name} is {what}: give a Pillow picture (engine.pictures.open_picture reads files), "
            "an array, a tensor, or a list of one of these."
        )
    return values if kinds == {Image.Image} else []


def sizes_of(name: str, value: Any, ndim: int) -> list[tuple[int, int]]:
    """Width and height of each of the pictures, upright, or of the numbers.

    ndim: 4 of what `as_pixels` takes, 3 of what `as_maps` does. Raises `PictureError`.
    """
    if pictures := as_pictures(name, value):
        return [upright(one).size for one in pictures]
    height, width = _stacked(name, value, ndim).shape[-2:]
    return [(width, height)]


def to_tensor(picture: Image.Image) -> Tensor:
    """The numbers of a picture, in 0..1: (3, H, W) of RGB, (H, W) of L."""
    array = torch.from_numpy(np.array(picture, np.float32)) / 255
    return array.movedim(-1, 0) if array.ndim == 3 else array


def _stacked(name: str, value: Any, ndim: int) -> Tensor:
    """Arrays or tensors, or a list of either, as one batch of so many dimensions: channels first.

    Of maps, which have three, a dimension for a single channel is taken out.
    """
    values = list(value) if isinstance(value, Sequence) else [value]
    batches = []
    for one in values:
        tensor = torch.as_tensor(one).float()
        if isinstance(one, np.ndarray) and ndim == 4 and tensor.ndim >= 3:
            tensor = tensor.movedim(-1, -3)
        elif ndim == 3 and tensor.ndim == 4:
            tensor = tensor.squeeze(-1 if tensor.shape[-1] == 1 else 1)
        tensor = tensor[None] if tensor.ndim == ndim - 1 else tensor
        if tensor.ndim != ndim or 0 in tensor.shape:
            shape = "height and width" if ndim == 3 else "three channels, height and width"
            raise PictureError(f"{name} has the shape {list(one.shape)}: {shape} are needed.")
        batches.append(tensor)
    if len({batch.shape[1:] for batch in batches}) != 1:
        raise PictureError(f"{name} has pictures of different sizes: they must be equal.")
    batch = torch.cat(batches)
    if batch.shape[-1] * batch.shape[-2] > MAX_PIXELS:
        raise PictureError(f"{name} has more than {MAX_PIXELS:,} pixels: make it smaller.")
    return batch


def whole_size(name: str, size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """The multiples in a width and height; a `PictureError` if there is none."""
    width, height = (side - side % multiple for side in size)
    if not width or not height:
        raise PictureError(
            f"{name} is {size[0]} x {size[1]} pixels: {multiple} x {multiple} are the least."
        )
    return width, height
