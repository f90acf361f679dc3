"""Random draws, from explicit generators wherever one is given."""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from engine.errors import EngineError

__all__ = ["Generators", "draw_noise"]

Generators: TypeAlias = torch.Generator | Sequence[torch.Generator] | None


def draw_noise(
    shape: Sequence[int],
    generator: Generators,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Unit noise of a shape (B, ...), drawn where the generator is; None is torch's global one.

    With a generator for each image, each is drawn as if it were alone. Raises `EngineError` for
    another number of them.
    """
    if isinstance(generator, Sequence):
        if len(generator) not in (1, shape[0]):
            raise EngineError(f"{len(generator)} generators for {shape[0]} images: one an image.")
        if len(generator) > 1:
            rows = [draw_noise((1, *shape[1:]), one, device, dtype) for one in generator]
            return torch.cat(rows)
        generator = generator[0]
    source = device if generator is None else generator.device
    return torch.randn(tuple(shape), generator=generator, device=source, dtype=dtype).to(device)
