"""The text-conditioned UNet of Stable Diffusion 1."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from engine.config import configured
from engine.errors import CheckpointError
from engine.models.attention import KeysValues, Transformer2DModel
from engine.models.blocks import (
    DOWN_BLOCKS,
    UP_BLOCKS,
    DownBlock,
    MidBlock,
    Parts,
    UpBlock,
    has_attention,
)
from engine.models.conditioning import Conditioning
from engine.models.layers import (
    ResnetBlock2D,
    TimestepEmbedding,
    activation,
    sinusoidal_embedding,
)
from engine.models.model import Model

__all__ = ["UNet2DConditionModel", "UNet2DConditionOutput"]


@dataclass(frozen=True)
class UNet2DConditionOutput:
    """sample: (B, out_channels, H, W), what the network was trained to predict."""

    sample: Tensor


class UNet2DConditionModel(Model):
    """Predict noise, velocity or sample from a noisy sample, its timestep and a text.

    Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models".
    In published configurations `attention_head_dim` is the number of heads; the name is kept.
    """

    only: ClassVar[Mapping[str, Any]] = {
        "act_fn": "silu",
        "addition_embed_type": None,
        "addition_embed_type_num_heads": 64,
        "addition_time_embed_dim": None,
        "attention_type": "default",
        "center_input_sample": False,
        "class_embed_type": None,
        "class_embeddings_concat": False,
        "conv_in_kernel": 3,
        "conv_out_kernel": 3,
        "cross_attention_norm": None,
        "dropout": 0.0,
        "dual_cross_attention": False,
        "encoder_hid_dim": None,
        "encoder_hid_dim_type": None,
        "mid_block_only_cross_attention": None,
        "mid_block_scale_factor": 1,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "num_attention_heads": None,
        "num_class_embeds": None,
        "only_cross_attention": False,
        "projection_class_embeddings_input_dim": None,
        "resnet_out_scale_factor": 1.0,
        "resnet_skip_time_act": False,
        "resnet_time_scale_shift": "default",
        "reverse_transformer_layers_per_block": None,
        "time_cond_proj_dim": None,
        "time_embedding_act_fn": None,
        "time_embedding_dim": None,
        "time_embedding_type": "positional",
        "timestep_post_act": None,
        "transformer_layers_per_block": 1,
        "upcast_attention": False,
        "use_linear_projection": False,
    }

    @configured
    def __init__(
        self,
        sample_size: int | None = None,
        in_channels: int = 4,
        out_channels: int = 4,
        flip_sin_to_cos: bool = True,
        freq_shift: int = 0,
        down_block_types: tuple[str, ...] = (*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
        up_block_types: tuple[str, ...] = ("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
        block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280),
        layers_per_block: int = 2,
        downsample_padding: int = 1,
        act_fn: str = "silu",
        norm_num_groups: int = 32,
        norm_eps: float = 1e-5,
        cross_attention_dim: int = 1280,
        attention_head_dim: int = 8,
    ) -> None:
        super().__init__()
        if not len(down_block_types) == len(up_block_types) == len(block_out_channels):
            raise CheckpointError(
                "down_block_types, up_block_types and block_out_channels must have one entry each "
                f"a stage; they have {len(down_block_types)}, {len(up_block_types)} and "
                f"{len(block_out_channels)}."
            )
        widths = list(block_out_channels)
        temb_channels = widths[0] * 4
        parts = Parts(
            partial(
                ResnetBlock2D,
                temb_channels=temb_channels,
                groups=norm_num_groups,
                eps=norm_eps,
                act_fn=act_fn,
            ),
            lambda width: Transformer2DModel(
                width, attention_head_dim, cross_attention_dim, norm_num_groups
            ),
        )
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(widths[0], temb_channels, act_fn)
        self.act = activation(act_fn)

        last = len(widths) - 1
        channels, skips = widths[0], [widths[0]]
        self.down_blocks = nn.ModuleList()
        for level, (name, width) in enumerate(zip(down_block_types, widths, strict=True)):
            inputs = [channels] + [width] * (layers_per_block - 1)
            padding = downsample_padding if level < last else None
            attention = has_attention(name, DOWN_BLOCKS)
            self.down_blocks.append(DownBlock(parts, inputs, width, attention, padding))
            skips += [width] * (layers_per_block + (level < last))
            channels = width

        self.mid_block = MidBlock(parts, channels)

        self.up_blocks = nn.ModuleList()
        for level, (name, width) in enumerate(zip(up_block_types, reversed(widths), strict=True)):
            inputs = []
            for _ in range(layers_per_block + 1):
                inputs.append(channels + skips.pop())
                channels = width
            attention = has_attention(name, UP_BLOCKS)
            self.up_blocks.append(UpBlock(parts, inputs, width, attention, level < last))

        self.conv_norm_out = nn.GroupNorm(norm_num_groups, widths[0], norm_eps)
        self.conv_out = nn.Conv2d(widths[0], out_channels, 3, padding=1)

    def condition(self, timesteps: Tensor, encoder_hidden_states: Tensor) -> Conditioning:
        """Compute what does not depend on the sample.

        timesteps: (N,), those of a whole run or one a sample; encoder_hidden_states: (B, L, D).
        """
        config = self.config
        embedding = sinusoidal_embedding(
            timesteps, config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift
        )
        temb = self.act(self.time_embedding(embedding.to(self.dtype)))
        text = encoder_hidden_states.to(self.dtype)
        shifts: dict[nn.Module, Tensor] = {}
        texts: dict[nn.Module, list[KeysValues]] = {}
        for module in self.modules():
            if isinstance(module, ResnetBlock2D):
                shifts[module] = module.shift(temb)
            elif isinstance(module, Transformer2DModel):
                texts[module] = module.keys_values(text)
        return Conditioning(shifts, texts)

    def predict(self, sample: Tensor, cond: Conditioning) -> Tensor:
        """Run the network on a sample (B, in_channels, H, W); returns (B, out_channels, H, W)."""
        hidden = self.conv_in(sample.to(self.dtype))
        skips = [hidden]
        for block in self.down_blocks:
            hidden = block(hidden, skips, cond)
        hidden = self.mid_block(hidden, cond)
        for block in self.up_blocks:
            hidden = block(hidden, skips, cond)
        return self.conv_out(self.act(self.conv_norm_out(hidden)))

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
    ) -> UNet2DConditionOutput:
        """Predict from a sample at one timestep, or at one for each of the batch.

        sample: (B, in_channels, H, W); timestep: a number, () or (B,);
        encoder_hidden_states: (B, L, cross_attention_dim).
        """
        timesteps = torch.as_tensor(timestep, device=sample.device).reshape(-1)
        conditioning = self.condition(timesteps, encoder_hidden_states)
        return UNet2DConditionOutput(self.predict(sample, conditioning))
