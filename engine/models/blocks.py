"""The stages of a UNet; attributes are named as the checkpoints' keys."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from engine.models.conditioning import Conditioning
from engine.models.layers import Downsample2D, ResnetBlock2D, Upsample2D

__all__ = ["DownBlock", "MidBlock", "UpBlock"]

Resnet: TypeAlias = Callable[[int, int], ResnetBlock2D]
Attend: TypeAlias = Callable[[], nn.Module] | None


class Stage(nn.Module):
    """Residual blocks, each followed by attention where the stage has any."""

    def __init__(self, resnet: Resnet, attend: Attend, inputs: list[int], channels: int) -> None:
        """inputs: channels that each residual block is given; attend: makes an attention."""
        super().__init__()
        self.resnets = nn.ModuleList(resnet(width, channels) for width in inputs)
        if attend is not None:
            self.attentions = nn.ModuleList(attend() for _ in inputs)

    def layer(self, index: int, hidden: Tensor, cond: Conditioning) -> Tensor:
        """Run one residual block and its attention."""
        resnet = self.resnets[index]
        hidden = resnet(hidden, cond.shifts[resnet])
        if hasattr(self, "attentions"):
            attention = self.attentions[index]
            hidden = attention(hidden, cond.texts.get(attention))
        return hidden


class DownBlock(Stage):
    """A stage on the way down: leaves every result on the stack of skips."""

    def __init__(
        self,
        resnet: Resnet,
        attend: Attend,
        inputs: list[int],
        channels: int,
        padding: int | None,
    ) -> None:
        """padding: of the downsampling convolution, None for no downsampling."""
        super().__init__(resnet, attend, inputs, channels)
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
    """The lowest stage: residual block, attention if there is any, residual block."""

    def __init__(self, resnet: Resnet, attend: Attend, channels: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([] if attend is None else [attend()])
        self.resnets = nn.ModuleList(resnet(channels, channels) for _ in range(2))

    def forward(self, hidden: Tensor, cond: Conditioning) -> Tensor:
        first, last = self.resnets
        hidden = first(hidden, cond.shifts[first])
        for attention in self.attentions:
            hidden = attention(hidden, cond.texts.get(attention))
        return last(hidden, cond.shifts[last])


class UpBlock(Stage):
    """A stage on the way up: takes its skips from the stack."""

    def __init__(
        self, resnet: Resnet, attend: Attend, inputs: list[int], channels: int, upsample: bool
    ) -> None:
        super().__init__(resnet, attend, inputs, channels)
        if upsample:
            self.upsamplers = nn.ModuleList([Upsample2D(channels)])

    def forward(self, hidden: Tensor, skips: list[Tensor], cond: Conditioning) -> Tensor:
        for index in range(len(self.resnets)):
            hidden = self.layer(index, torch.cat([hidden, skips.pop()], dim=1), cond)
        if hasattr(self, "upsamplers"):
            # The next skip's size, so that sizes that do not halve evenly come out whole.
            hidden = self.upsamplers[0](hidden, skips[-1].shape[2:])
        return hidden
