"""What the tests of files do over and over."""

from pathlib import Path
from typing import Any

import torch

from engine.models import UNet2DConditionModel

__all__ = ["load_unet", "same"]


def load_unet(cache: Path, name: str = "a/tiny", **options: Any) -> UNet2DConditionModel:
    """Load the UNet of a repository of the stand-in."""
    return UNet2DConditionModel.from_pretrained(name, subfolder="unet", cache_dir=cache, **options)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether two networks have the same tensors, bit for bit."""
    tensors = other.state_dict()
    return all(torch.equal(value, tensors[key]) for key, value in one.state_dict().items())
