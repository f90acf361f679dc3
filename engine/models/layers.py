"""Building blocks of UNets and autoencoders; attributes are named as the checkpoints' keys."""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import EngineError
from engine.models.kernels import Conv2d, GroupNorm, Linear

__all__ = [
    "ACTIVATIONS",
    "Downsample2D",
    "ResnetBlock2D",
    "TimestepEmbedding",
    "Upsample2D",
    "activation",
    "sinusoidal_embedding",
]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": partial(F.silu, inplace=True),
    "swish": partial(F.silu, inplace=True),
    "mish": partial(F.mish, inplace=True),
    "gelu": F.gelu,
    "relu": partial(F.relu, inplace=True),
}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """Look an activation function up by the name that configurations use; raises `EngineError`.

    It may overwrite its argument, which saves the time that fresh memory takes.
    """
    if name not in ACTIVATIONS:
        raise EngineError(f"act_fn is {name!r}; known are: {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]


def sinusoidal_embedding(
    timesteps: Tensor, dim: int, flip_sin_to_cos: bool = True, freq_shift: float = 0.0
) -> Tensor:
    """Embed timesteps (...) as (..., dim), float32 (Vaswani et al. 2017, section 3.5).

    flip_sin_to_cos puts the cosines first; freq_shift is subtracted from the number of frequencies.
    """
    half = dim // 2
    exponents = torch.arange(half, dtype=torch.float32, device=timesteps.device)
    frequencies = torch.exp(exponents * (-math.log(10000.0) / (half - freq_shift)))
    angles = timesteps[..., None].float() * frequencies
    sin, cos = angles.sin(), angles.cos()
    embedding = torch.cat([cos, sin] if flip_sin_to_cos else [sin, cos], dim=-1)
    return F.pad(embedding, (0, dim % 2))


class TimestepEmbedding(nn.Module):
    """Two linear layers over the sinusoidal embedding: (..., channels) -> (..., dim)."""

    def __init__(
        self, channels: int, dim: int, act_fn: str = "silu", cond_dim: int | None = None
    ) -> None:
        """cond_dim: width of a condition that is projected and added to the embedding first."""
        super().__init__()
        self.linear_1 = Linear(channels, dim)
        self.linear_2 = Linear(dim, dim)
        self.cond_proj = None if cond_dim is None else Linear(cond_dim, channels, bias=False)
        self.act = activation(act_fn)

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """sample: (..., channels); condition: (B or 1, cond_dim) or None, which counts as zero.

        Raises `EngineError` for a condition where there is no `cond_dim`.
        """
        if condition is not None:
            if self.cond_proj is None:
                raise EngineError(
                    "timestep_cond is given, but this model has no time_cond_proj_dim to read it "
                    "with: leave it out."
                )
            sample = sample + self.cond_proj(condition.to(sample.dtype))
        return self.linear_2(self.act(self.linear_1(sample)))


class ResnetBlock2D(nn.Module):
    """Two 3x3 convolutions with a shortcut, shifted in between by the projected time embedding.

    What its layers return is overwritten on the way: a hook that keeps it must keep a copy.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        temb_channels: int | None,
        groups: int,
        eps: float,
        act_fn: str,
    ) -> None:
        super().__init__()
        self.norm1 = GroupNorm(groups, in_channels, eps)
        self.conv1 = Conv2d(in_channels, out_channels, 3, padding=1)
        if temb_channels is not None:
            self.time_emb_proj = Linear(temb_channels, out_channels)
        self.norm2 = GroupNorm(groups, out_channels, eps)
        self.conv2 = Conv2d(out_channels, out_channels, 3, padding=1)
        self.act = activation(act_fn)
        self.conv_shortcut = (
            Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None
        )

    def shift(self, temb: Tensor) -> Tensor:
        """Project the activated time embedding (..., temb_channels) to (..., out, 1, 1)."""
        return self.time_emb_proj(temb)[..., None, None]

    def forward(self, hidden: Tensor, shift: Tensor | None = None) -> Tensor:
        """hidden: (B, in, H, W); shift: (B or 1, out, 1, 1). Returns (B, out, H, W)."""
        residual = hidden if self.conv_shortcut is None else self.conv_shortcut(hidden)
        hidden = self.conv1(self.act(self.norm1(hidden)))
        if shift is not None:
            hidden = hidden.add_(shift)
        return self.conv2(self.act(self.norm2(hidden))).add_(residual)


class Downsample2D(nn.Module):
    """Halve height and width by a strided convolution; padding 0 pads right and bottom only."""

    def __init__(self, channels: int, padding: int = 1) -> None:
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, stride=2, padding=padding)
        self.padding = padding

    def forward(self, hidden: Tensor) -> Tensor:
        return self.conv(F.pad(hidden, (0, 1, 0, 1)) if self.padding == 0 else hidden)


class Upsample2D(nn.Module):
    """Repeat every pixel, to twice the size or to a given one, then convolve."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, channels, 3, padding=1)

    def forward(self, hidden: Tensor, size: torch.Size | None = None) -> Tensor:
        height, width = hidden.shape[2:]
        if size is None or tuple(size) == (2 * height, 2 * width):
            return self.conv(hidden, double=True)
        return self.conv(F.interpolate(hidden, size=tuple(size), mode="nearest"))
