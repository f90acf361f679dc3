"""Between tensors and pictures."""

import torch
from PIL import Image
from torch import Tensor

from engine.errors import EngineError

__all__ = ["to_pil"]


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
