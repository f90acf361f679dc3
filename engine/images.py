"""Between tensors and pictures."""

import torch
from PIL import Image
from torch import Tensor

__all__ = ["to_pil"]


def to_pil(pixels: Tensor) -> list[Image.Image]:
    """Turn pixels (B, 3, H, W) in 0..1, clamped, into a list of B RGB pictures."""
    scaled = (pixels.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return [Image.fromarray(picture) for picture in scaled.permute(0, 2, 3, 1).cpu().numpy()]
