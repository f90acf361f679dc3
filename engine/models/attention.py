"""Attention and the spatial transformer of Stable Diffusion's UNet."""

from collections.abc import Iterable
from functools import partial
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.kernels import Conv2d, GroupNorm, LayerNorm, Linear, like

__all__ = [
    "Attention",
    "BasicTransformerBlock",
    "KeysValues",
    "PixelAttention",
    "Transformer2DModel",
]

KeysValues = tuple[Tensor, Tensor]


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) of a sequence over itself or over a context."""

    def __init__(
        self,
        query_dim: int,
        heads: int,
        head_dim: int,
        *,
        context_dim: int | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        inner = heads * head_dim
        self.heads = heads
        self.to_q = Linear(query_dim, inner, bias=bias)
        self.to_k = Linear(context_dim or query_dim, inner, bias=bias)
        self.to_v = Linear(context_dim or query_dim, inner, bias=bias)
        self.to_out = nn.ModuleList([Linear(inner, query_dim)])

    def _split(self, sequence: Tensor) -> Tensor:
        return sequence.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def keys_values(self, context: Tensor) -> KeysValues:
        """Project a context (B, L, context_dim) to keys and values (B, heads, L, head_dim)."""
        return self._split(self.to_k(context)), self._split(self.to_v(context))

    def forward(self, hidden: Tensor, keys_values: KeysValues | None = None) -> Tensor:
        """hidden: (B, L, query_dim), attending over itself unless keys and values are given."""
        key, value = self.keys_values(hidden) if keys_values is None else keys_values
        hidden = F.scaled_dot_product_attention(self._split(self.to_q(hidden)), key, value)
        return self.to_out[0](hidden.transpose(1, 2).flatten(2))


class PixelAttention(Attention):
    """Attention over all pixels of (B, C, H, W), added to them."""

    def __init__(self, channels: int, heads: int, groups: int, eps: float) -> None:
        super().__init__(channels, heads, channels // heads, bias=True)
        self.group_norm = GroupNorm(groups, channels, eps)

    def forward(self, hidden: Tensor, keys_values: KeysValues | None = None) -> Tensor:
        sequence = self.group_norm(hidden).flatten(2).transpose(1, 2)
        attended = super().forward(sequence, keys_values).transpose(1, 2)
        return hidden + attended.unflatten(2, hidden.shape[2:])


class GEGLU(nn.Module):
    """Linear layer gated by the GELU of another (Shazeer 2020)."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.proj = Linear(dim, inner * 2)

    def forward(self, hidden: Tensor) -> Tensor:
        value, gate = self.proj(hidden).chunk(2, dim=-1)
        return F.gelu(gate).mul_(value)


class FeedForward(nn.Module):
    """Gated two-layer perceptron, four times wider inside. Index 1 of `net` was dropout."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([GEGLU(dim, dim * 4), nn.Identity(), Linear(dim * 4, dim)])

    def forward(self, hidden: Tensor) -> Tensor:
        for layer in self.net:
            hidden = layer(hidden)
        return hidden


class BasicTransformerBlock(nn.Module):
    """Self-attention, cross-attention over the text, feed-forward; each after a layer norm."""

    def __init__(self, dim: int, heads: int, head_dim: int, context_dim: int) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn1 = Attention(dim, heads, head_dim)
        self.norm2 = LayerNorm(dim)
        self.attn2 = Attention(dim, heads, head_dim, context_dim=context_dim)
        self.norm3 = LayerNorm(dim)
        self.ff = FeedForward(dim)

    def keys_values(self, context: Tensor) -> KeysValues:
        """Keys and values of the text (B, L, context_dim)."""
        return self.attn2.keys_values(context)

    def forward(self, hidden: Tensor, text: KeysValues) -> Tensor:
        hidden = hidden + self.attn1(self.norm1(hidden))
        hidden = hidden + self.attn2(self.norm2(hidden), text)
        return hidden + self.ff(self.norm3(hidden))


class Transformer2DModel(nn.Module):
    """Transformer over the pixels of a feature map (Rombach et al. 2022, appendix E.2.1)."""

    def __init__(
        self,
        channels: int,
        heads: int,
        context_dim: int,
        *,
        groups: int,
        layers: int = 1,
        linear: bool = False,
    ) -> None:
        """linear: project in and out by linear layers (Stable Diffusion 2) in place of 1x1
        convolutions, which differ in the shape of their weights alone."""
        super().__init__()
        head_dim = channels // heads
        inner = heads * head_dim
        project = Linear if linear else partial(Conv2d, kernel_size=1)
        self.norm = GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = project(channels, inner)
        self.transformer_blocks = nn.ModuleList(
            BasicTransformerBlock(inner, heads, head_dim, context_dim) for _ in range(layers)
        )
        self.proj_out = project(inner, channels)

    def keys_values(self, context: Tensor) -> list[KeysValues]:
        """Keys and values of the text (B, L, context_dim) for each layer."""
        blocks = cast(Iterable[BasicTransformerBlock], self.transformer_blocks)
        return [block.keys_values(context) for block in blocks]

    def forward(self, hidden: Tensor, text: list[KeysValues]) -> Tensor:
        """hidden: (B, channels, H, W); text: from `keys_values`. Returns the shape of hidden."""
        residual, size = hidden, hidden.shape[2:]
        hidden = self.norm(hidden).flatten(2).transpose(1, 2)
        hidden = _pointwise(self.proj_in, hidden)
        for block, keys_values in zip(self.transformer_blocks, text, strict=True):
            hidden = block(hidden, keys_values)
        hidden = _pointwise(self.proj_out, hidden)
        return residual + hidden.transpose(1, 2).unflatten(2, size)


def _pointwise(layer: nn.Module, hidden: Tensor) -> Tensor:
    """Apply a linear layer or a 1x1 convolution to a sequence (B, L, C)."""
    weight, bias = (like(cast(Tensor, tensor), hidden) for tensor in (layer.weight, layer.bias))
    return F.linear(hidden, weight.flatten(1), bias)
