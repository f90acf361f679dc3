"""The stages of a conditional UNet, by the names that published configurations use."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.errors import CheckpointError
from engine.models.attention import Transformer2DModel
from engine.models.conditioning import Conditioning
from engine.models.layers import Downsample2D, ResnetBlock2D, Upsample2D

__all__ = ["DOWN_BLOCKS", "UP_BLOCKS", "DownBlock", "MidBlock", "Parts", "UpBlock", "has_attention"]

DOWN_BLOCKS = {"DownBlock2D": False, "CrossAttnDownBlock2D": True}
UP_BLOCKS = {"UpBlock2D": False, "CrossAttnUpBlock2D": True}


def has_attention(name: str, blocks: dict[str, bool]) -> bool:
    """Whether a named block attends to the text; raises `CheckpointError` for an unknown name."""
    if name not in blocks:
        raise CheckpointError(f"block type {name!r} is not known; known are: {', '.join(blocks)}.")
    return blocks[name]


@dataclass(frozen=True)
class Parts:
    """How one network makes its parts, the same in every stage."""

    resnet: Callable[[int, int], ResnetBlock2D]
    transformer: Callable[[int], Transformer2DModel]


class Stage(nn.Module):
    """Residual blocks, each followed by a transformer where the stage attends to the text."""

    def __init__(self, parts: Parts, inputs: list[int], channels: int, attention: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(parts.resnet(width, channels) for width in inputs)
        if attention:
            self.attentions = nn.ModuleList(parts.transformer(channels) for _ in inputs)

    def layer(self, index: int, hidden: Tensor, cond: Conditioning) -> Tensor:
        """Run one residual block and its transformer."""
        resnet = self.resnets[index]
        hidden = resnet(hidden, cond.shifts[resnet])
        if hasattr(self, "attentions"):
            attention = self.attentions[index]
            hidden = attention(hidden, cond.texts[attention])
        return hidden


class DownBlock(Stage):
    """A stage on the way down: leaves every result on the stack of skips."""

    def __init__(
        self, parts: Parts, inputs: list[int], channels: int, attention: bool, padding: int | None
    ) -> None:
        """padding: of the downsampling convolution, None for no downsampling."""
        super().__init__(parts, inputs, channels, attention)
        if padding is not None:
            self.downsamplers = nn.ModuleList([Downsample2D(channels, padding)])

    def forward(self, hidden: Tensor, skips: list[Tensor], cond: Conditioning) -> Tensor:
        for index in range(len(self.resnets)):
            hidden = self.layer(index, hidden, cond)
            skips.append(hidden)
        if hasattr(self, "downsamplers"):
            hidden = self.downsamplers[0](hidden)
            skips.append(hidden)
        return hidden


class MidBlock(nn.Module):
    """The lowest stage: residual block, transformer, residual block."""

    def __init__(self, parts: Parts, channels: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([parts.transformer(channels)])
        self.resnets = nn.ModuleList(parts.resnet(channels, channels) for _ in range(2))

    def forward(self, hidden: Tensor, cond: Conditioning) -> Tensor:
        first, last = self.resnets
        attention = self.attentions[0]
        hidden = first(hidden, cond.shifts[first])
        hidden = attention(hidden, cond.texts[attention])
        return last(hidden, cond.shifts[last])


class UpBlock(Stage):
    """A stage on the way up: takes its skips from the stack."""

    def __init__(
        self, parts: Parts, inputs: list[int], channels: int, attention: bool, upsample: bool
    ) -> None:
        super().__init__(parts, inputs, channels, attention)
        if upsample:
            self.upsamplers = nn.ModuleList([Upsample2D(channels)])

    def forward(self, hidden: Tensor, skips: list[Tensor], cond: Conditioning) -> Tensor:
        for index in range(len(self.resnets)):
            hidden = self.layer(index, torch.cat([hidden, skips.pop()], dim=1), cond)
        if hasattr(self, "upsamplers"):
            # The next skip's size, so that sizes that do not halve evenly come out whole.
            hidden = self.upsamplers[0](hidden, skips[-1].shape[2:])
        return hidden
