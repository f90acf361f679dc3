"""What all UNets share: the stages on the way down and up, the timestep, running on a sample."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from engine.errors import CheckpointError
from engine.models.attention import KeysValues, Transformer2DModel
from engine.models.blocks import DownBlock, MidBlock, UpBlock
from engine.models.conditioning import Conditioning
from engine.models.kernels import Conv2d, GroupNorm, enter, leave
from engine.models.layers import (
    ResnetBlock2D,
    TimestepEmbedding,
    activation,
    sinusoidal_embedding,
)
from engine.models.model import Model

__all__ = ["UNet", "one_step"]


class UNet(Model):
    """The base of the family (Ho et al. 2020, appendix B); a subclass says what attends to what.

    Its configuration has at least the keys that `_assemble` and `_embed` read.
    """

    down_types: ClassVar[Mapping[str, bool]]
    up_types: ClassVar[Mapping[str, bool]]
    """Name of a kind of stage -> whether it has attention."""

    def _assemble(
        self,
        attention: Callable[[int], nn.Module],
        mid_attention: bool = True,
        time_cond_dim: int | None = None,
    ) -> None:
        """Make all modules. attention: makes one for a level, 0 being the full size.

        time_cond_dim: width of what else is known of a timestep, if anything.
        """
        config = self.config
        widths, layers = list(config.block_out_channels), config.layers_per_block
        self._check_stages(len(widths))
        temb_channels = widths[0] * 4
        resnet = partial(
            ResnetBlock2D,
            temb_channels=temb_channels,
            groups=config.norm_num_groups,
            eps=config.norm_eps,
            act_fn=config.act_fn,
        )
        self.conv_in = Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(
            widths[0], temb_channels, config.act_fn, time_cond_dim
        )
        self.act = activation(config.act_fn)

        last = len(widths) - 1
        channels, skips = widths[0], [widths[0]]
        self.down_blocks = nn.ModuleList()
        for level, width in enumerate(widths):
            inputs = [channels] + [width] * (layers - 1)
            attends = self.down_types[config.down_block_types[level]]
            padding = config.downsample_padding if level < last else None
            attend = partial(attention, level) if attends else None
            self.down_blocks.append(DownBlock(resnet, attend, inputs, width, padding))
            skips += [width] * (layers + (level < last))
            channels = width

        attend = partial(attention, last) if mid_attention else None
        self.mid_block = MidBlock(resnet, attend, channels)

        self.up_blocks = nn.ModuleList()
        for place, name in enumerate(config.up_block_types):
            level = last - place
            inputs = []
            for _ in range(layers + 1):
                inputs.append(channels + skips.pop())
                channels = widths[level]
            attend = partial(attention, level) if self.up_types[name] else None
            self.up_blocks.append(UpBlock(resnet, attend, inputs, channels, level > 0))

        self.conv_norm_out = GroupNorm(config.norm_num_groups, widths[0], config.norm_eps)
        self.conv_out = Conv2d(widths[0], config.out_channels, 3, padding=1)

    def _check_stages(self, stages: int) -> None:
        for key, known in (
            ("down_block_types", self.down_types),
            ("up_block_types", self.up_types),
        ):
            names = self.config[key]
            if len(names) != stages:
                raise CheckpointError(
                    f"{key} has {len(names)} entries and block_out_channels {stages}: "
                    "there must be one each a stage."
                )
            for name in names:
                if name not in known:
                    raise CheckpointError(
                        f"{key} has {name!r}, which is not known; known are: {', '.join(known)}."
                    )

    def _embed(self, timesteps: Tensor, timestep_cond: Tensor | None = None) -> Tensor:
        """Embed timesteps (N,), or (N, B) with one for each sample: (N, 1 or B, D)."""
        config = self.config
        if timesteps.ndim == 1:
            timesteps = timesteps[:, None]
        embedding = sinusoidal_embedding(
            timesteps, config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift
        )
        return self.time_embedding(enter(embedding, self.dtype), timestep_cond)

    def _project(self, temb: Tensor, text: Tensor | None = None) -> Conditioning:
        """Project the embedded time (N, 1 or B, D) and text (B, L, D) for all that take them."""
        temb = self.act(temb.clone())  # which may overwrite what it is given
        shifts: dict[nn.Module, Tensor] = {}
        texts: dict[nn.Module, list[KeysValues]] = {}
        for module in self.modules():
            if isinstance(module, ResnetBlock2D):
                shifts[module] = module.shift(temb)
            elif isinstance(module, Transformer2DModel) and text is not None:
                texts[module] = module.keys_values(text)
        return Conditioning(shifts, texts)

    def predict(self, sample: Tensor, cond: Conditioning) -> Tensor:
        """Run the network on a sample (B, in_channels, H, W); returns (B, out_channels, H, W).

        cond: what `condition` returned, at one step of the run.
        """
        hidden = self.conv_in(enter(sample, self.dtype))
        skips = [hidden]
        for block in self.down_blocks:
            hidden = block(hidden, skips, cond)
        hidden = self.mid_block(hidden, cond)
        for block in self.up_blocks:
            hidden = block(hidden, skips, cond)
        return leave(self.conv_out(self.act(self.conv_norm_out(hidden))), self.dtype)


def one_step(timestep: Tensor | float, sample: Tensor) -> Tensor:
    """Take a number, () or (B,) as the single step of a run: (1, 1 or B), beside the sample."""
    return torch.as_tensor(timestep, device=sample.device).reshape(1, -1)
