"""The unconditional UNet of DDPM."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from engine.config import configured
from engine.models.attention import PixelAttention
from engine.models.conditioning import Conditioning
from engine.models.unet import UNet, one_step
from engine.neutral import check_neutral
from engine.outputs import keyed

__all__ = ["UNet2DModel", "UNet2DOutput"]


@keyed
class UNet2DOutput(NamedTuple):
    """sample: (B, out_channels, H, W), what the network was trained to predict."""

    sample: Tensor


class UNet2DModel(UNet):
    """Predict noise, velocity or sample from a noisy sample and its timestep.

    Ho, Jain and Abbeel 2020, "Denoising Diffusion Probabilistic Models".
    """

    down_types: ClassVar[Mapping[str, bool]] = {"DownBlock2D": False, "AttnDownBlock2D": True}
    up_types: ClassVar[Mapping[str, bool]] = {"UpBlock2D": False, "AttnUpBlock2D": True}
    only: ClassVar[Mapping[str, Any]] = {
        "act_fn": "silu",
        "attn_norm_num_groups": None,
        "center_input_sample": False,
        "class_embed_type": None,
        "downsample_type": "conv",
        "dropout": 0.0,
        "mid_block_scale_factor": 1,
        "mid_block_type": "UNetMidBlock2D",
        "num_class_embeds": None,
        "resnet_time_scale_shift": "default",
        "time_embedding_dim": None,
        "time_embedding_type": "positional",
        "upsample_type": "conv",
    }

    @configured
    def __init__(
        self,
        sample_size: int | Sequence[int] | None = None,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        freq_shift: int = 0,
        flip_sin_to_cos: bool = True,
        down_block_types: tuple[str, ...] = ("DownBlock2D", *["AttnDownBlock2D"] * 3),
        up_block_types: tuple[str, ...] = (*["AttnUpBlock2D"] * 3, "UpBlock2D"),
        block_out_channels: tuple[int, ...] = (224, 448, 672, 896),
        layers_per_block: int = 2,
        downsample_padding: int = 1,
        act_fn: str = "silu",
        attention_head_dim: int | None = 8,
        norm_num_groups: int = 32,
        norm_eps: float = 1e-5,
        add_attention: bool = True,
        num_train_timesteps: int | None = None,
    ) -> None:
        """num_train_timesteps: kept for the configuration; a learned embedding would need it."""
        super().__init__()

        def attention(level: int) -> nn.Module:
            channels = block_out_channels[level]
            heads = channels // (attention_head_dim or channels)
            return PixelAttention(channels, heads, norm_num_groups, norm_eps)

        self._assemble(attention, mid_attention=add_attention)

    def condition(self, timesteps: Tensor) -> Conditioning:
        """Compute what does not depend on the sample.

        timesteps: (N,) of a whole run, or (N, B) with one for each sample.
        """
        return self._project(self._embed(timesteps))

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        class_labels: None = None,
        return_dict: bool = True,
    ) -> UNet2DOutput:
        """Predict from a sample at one timestep, or at one for each of the batch.

        sample: (B, in_channels, H, W); timestep: a number, () or (B,); class_labels: None.
        return_dict: taken as callers of diffusers give it; the output is a tuple either way.
        """
        check_neutral(class_labels=class_labels)
        conditioning = self.condition(one_step(timestep, sample))
        return UNet2DOutput(self.predict(sample, conditioning.at(0)))
