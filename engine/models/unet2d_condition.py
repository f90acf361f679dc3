"""The text-conditioned UNet of Stable Diffusion 1, 2 and XL."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from engine.config import configured
from engine.errors import CheckpointError, EngineError
from engine.models.attention import Transformer2DModel
from engine.models.conditioning import Conditioning
from engine.models.kernels import enter
from engine.models.layers import TimestepEmbedding, sinusoidal_embedding
from engine.models.unet import UNet, one_step
from engine.neutral import check_neutral
from engine.outputs import keyed

__all__ = ["UNet2DConditionModel", "UNet2DConditionOutput"]


@keyed
class UNet2DConditionOutput(NamedTuple):
    """sample: (B, out_channels, H, W), what the network was trained to predict."""

    sample: Tensor


class UNet2DConditionModel(UNet):
    """Predict noise, velocity or sample from a noisy sample, its timestep and a text.

    Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models"; Podell et
    al. 2023, "SDXL", for `addition_embed_type`; Meng et al. 2023, "On Distillation of Guided
    Diffusion Models", for `time_cond_proj_dim`.
    In published configurations `attention_head_dim` is the number of heads; the name is kept.
    `upcast_attention` asks for scores in float32, which fused attention always has.
    """

    down_types: ClassVar[Mapping[str, bool]] = {"DownBlock2D": False, "CrossAttnDownBlock2D": True}
    up_types: ClassVar[Mapping[str, bool]] = {"UpBlock2D": False, "CrossAttnUpBlock2D": True}
    only: ClassVar[Mapping[str, Any]] = {
        "act_fn": "silu",
        "addition_embed_type_num_heads": 64,
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
        "resnet_out_scale_factor": 1.0,
        "resnet_skip_time_act": False,
        "resnet_time_scale_shift": "default",
        "reverse_transformer_layers_per_block": None,
        "time_embedding_act_fn": None,
        "time_embedding_dim": None,
        "time_embedding_type": "positional",
        "timestep_post_act": None,
    }

    @configured
    def __init__(
        self,
        sample_size: int | Sequence[int] | None = None,
        in_channels: int = 4,
        out_channels: int = 4,
        *,
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
        transformer_layers_per_block: int | Sequence[int] = 1,
        attention_head_dim: int | Sequence[int] = 8,
        use_linear_projection: bool = False,
        addition_embed_type: str | None = None,
        addition_time_embed_dim: int | None = None,
        projection_class_embeddings_input_dim: int | None = None,
        upcast_attention: bool = False,
        time_cond_proj_dim: int | None = None,
    ) -> None:
        super().__init__()
        stages = len(block_out_channels)
        heads = _each_stage("attention_head_dim", attention_head_dim, stages)
        layers = _each_stage("transformer_layers_per_block", transformer_layers_per_block, stages)

        def attention(level: int) -> nn.Module:
            return Transformer2DModel(
                block_out_channels[level],
                heads[level],
                cross_attention_dim,
                groups=norm_num_groups,
                layers=layers[level],
                linear=use_linear_projection,
            )

        self._assemble(attention, time_cond_dim=time_cond_proj_dim)
        self.add_embedding: TimestepEmbedding | None = None
        if addition_embed_type == "text_time":
            if addition_time_embed_dim is None or projection_class_embeddings_input_dim is None:
                raise CheckpointError(
                    "addition_embed_type 'text_time' needs addition_time_embed_dim and "
                    "projection_class_embeddings_input_dim."
                )
            self.add_embedding = TimestepEmbedding(
                projection_class_embeddings_input_dim, block_out_channels[0] * 4, act_fn
            )
        elif addition_embed_type is not None:
            raise CheckpointError(
                f"addition_embed_type is {addition_embed_type!r}; known are: 'text_time' and None."
            )

    def embed_guidance(self, guidance_scale: float) -> Tensor | None:
        """The `timestep_cond` (1, time_cond_proj_dim) of a distilled model; None for another."""
        dim = self.config.time_cond_proj_dim
        if dim is None:
            return None
        scale = torch.tensor([guidance_scale - 1], device=self.device) * 1000
        return sinusoidal_embedding(scale, dim, flip_sin_to_cos=False, freq_shift=1)

    def condition(
        self,
        timesteps: Tensor,
        encoder_hidden_states: Tensor,
        *,
        timestep_cond: Tensor | None = None,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
    ) -> Conditioning:
        """Compute what does not depend on the sample.

        timesteps: (N,) of a whole run, or (N, B) with one for each sample.
        encoder_hidden_states: (B, L, cross_attention_dim), the text.
        timestep_cond: (B or 1, time_cond_proj_dim), made by `embed_guidance`.
        added_cond_kwargs: where `addition_embed_type` is "text_time", `text_embeds` (B, D) and
        `time_ids` (B, 6), the sizes and crops of SDXL; raises `EngineError` without them.
        """
        temb = self._embed(timesteps, timestep_cond)
        if self.add_embedding is not None:
            temb = temb + self.add_embedding(self._added(added_cond_kwargs or {}))
        return self._project(temb, enter(encoder_hidden_states, self.dtype))

    def _added(self, given: Mapping[str, Tensor]) -> Tensor:
        """The pooled text beside the embedded sizes: (B, projection_class_embeddings_input_dim)."""
        if missing := [name for name in ("text_embeds", "time_ids") if name not in given]:
            raise EngineError(f"added_cond_kwargs lacks {', '.join(missing)}: this model needs it.")
        config = self.config
        sizes = sinusoidal_embedding(
            given["time_ids"],
            config.addition_time_embed_dim,
            config.flip_sin_to_cos,
            config.freq_shift,
        )
        added = [given["text_embeds"], sizes.flatten(1)]
        return torch.cat([enter(tensor, self.dtype) for tensor in added], dim=-1)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        class_labels: None = None,
        timestep_cond: Tensor | None = None,
        attention_mask: None = None,
        cross_attention_kwargs: None = None,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        down_block_additional_residuals: None = None,
        mid_block_additional_residual: None = None,
        down_intrablock_additional_residuals: None = None,
        encoder_attention_mask: None = None,
        return_dict: bool = True,
    ) -> UNet2DConditionOutput:
        """Predict from a sample at one timestep, or at one for each of the batch.

        sample: (B, in_channels, H, W); timestep: a number, () or (B,).
        encoder_hidden_states, timestep_cond, added_cond_kwargs: as `condition`; the others are
        there for callers of diffusers, and None alone.
        return_dict: taken as callers of diffusers give it; the output is a tuple either way.
        """
        check_neutral(
            class_labels=class_labels,
            attention_mask=attention_mask,
            cross_attention_kwargs=cross_attention_kwargs,
            down_block_additional_residuals=down_block_additional_residuals,
            mid_block_additional_residual=mid_block_additional_residual,
            down_intrablock_additional_residuals=down_intrablock_additional_residuals,
            encoder_attention_mask=encoder_attention_mask,
        )
        conditioning = self.condition(
            one_step(timestep, sample),
            encoder_hidden_states,
            timestep_cond=timestep_cond,
            added_cond_kwargs=added_cond_kwargs,
        )
        return UNet2DConditionOutput(self.predict(sample, conditioning.at(0)))


def _each_stage(name: str, value: int | Sequence[int], stages: int) -> Sequence[int]:
    """A number for every stage; raises `CheckpointError` for a list of another length."""
    if isinstance(value, int):
        return [value] * stages
    if len(value) != stages:
        raise CheckpointError(f"{name} has {len(value)} entries for {stages} stages.")
    return value
