"""Random draws, from explicit generators wherever one is given."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from engine.errors import EngineError

__all__ = ["Generators", "draw_first", "draw_noise", "seeded"]

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


class _Varied(torch.Generator):
    """Draws as any other, but for the noise that a run begins with."""

    other: torch.Generator
    strength: float


def seeded(seed: int, other: int = 0, strength: float = 0.0) -> torch.Generator:
    """A generator on the CPU; `draw_first` leads its noise so far, 0 to 1, to that of another seed.

    All that is drawn after the first noise is drawn from `seed` alone.
    """
    if not strength:
        return torch.Generator("cpu").manual_seed(seed)
    varied = _Varied("cpu")
    varied.manual_seed(seed)
    varied.other, varied.strength = torch.Generator("cpu").manual_seed(other), strength
    return varied


def draw_first(shape: Sequence[int], generator: Generators, device: torch.device) -> Tensor:
    """The unit noise in float32 that a run begins with: as `draw_noise`, and varied by `seeded`."""
    noise = draw_noise(shape, generator, device)
    each = generator if isinstance(generator, Sequence) else [generator]
    for row, one in zip(noise, each, strict=False):  # one generator may be for all
        if isinstance(one, _Varied):
            other = draw_noise(row.shape, one.other, device)
            row.copy_(_slerp(row, other, one.strength))
    return noise


def _slerp(start: Tensor, end: Tensor, part: float) -> Tensor:
    """So far along the great circle from `start` to `end`, which keeps the variance of noise.

    Shoemake 1985, "Animating Rotation with Quaternion Curves".
    """
    first, last = start.double().flatten(), end.double().flatten()
    cosine = float(first @ last / (first.norm() * last.norm()))
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if math.sin(angle) < 1e-6:  # the same seed twice
        return start
    weights = (
        math.sin((1 - part) * angle) / math.sin(angle),
        math.sin(part * angle) / math.sin(angle),
    )
    return (weights[0] * start.double() + weights[1] * end.double()).to(start.dtype)
