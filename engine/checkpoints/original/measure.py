"""Configurations of networks, as far as the shapes of their tensors tell them.

Each function takes name -> shape, in our names, and raises `LookupError` for a tensor that every
such network has and this one has not.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from engine.checkpoints.header import Shape

__all__ = ["autoencoder", "text_encoder", "unet"]

Shapes = Mapping[str, Shape]

HEAD_DIM = 64
"""Channels of an attention head in all of these text encoders, and in UNets since version 2."""
HEADS = 8
"""Heads in the UNet of version 1."""


def unet(shapes: Shapes) -> dict[str, Any]:
    """Keys of a `UNet2DConditionModel`."""
    stages = _count(shapes, "down_blocks.{}.")
    widths = [shapes[f"down_blocks.{n}.resnets.0.conv1.weight"][0] for n in range(stages)]
    depths = [_depth(shapes, f"down_blocks.{n}") for n in range(stages)]
    attending = {*depths, _depth(shapes, "mid_block")} - {0}
    linear = len(shapes["mid_block.attentions.0.proj_in.weight"]) == 2
    config: dict[str, Any] = {
        "attention_head_dim": [width // HEAD_DIM for width in widths] if linear else HEADS,
        "block_out_channels": widths,
        "cross_attention_dim": shapes[
            "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
        ][1],
        "down_block_types": [_kind(shapes, f"down_blocks.{n}", "Down") for n in range(stages)],
        "in_channels": shapes["conv_in.weight"][1],
        "layers_per_block": _count(shapes, "down_blocks.0.resnets.{}."),
        "out_channels": shapes["conv_out.weight"][0],
        "transformer_layers_per_block": (
            attending.pop() if len(attending) == 1 else [depth or 1 for depth in depths]
        ),
        "up_block_types": [_kind(shapes, f"up_blocks.{n}", "Up") for n in range(stages)],
        "use_linear_projection": linear,
    }
    if added := shapes.get("add_embedding.linear_1.weight"):
        config["projection_class_embeddings_input_dim"] = added[1]
    return config


def autoencoder(shapes: Shapes) -> dict[str, Any]:
    """Keys of an `AutoencoderKL`."""
    stages = _count(shapes, "encoder.down_blocks.{}.")
    firsts = [f"encoder.down_blocks.{n}.resnets.0.conv1.weight" for n in range(stages)]
    return {
        "block_out_channels": [shapes[first][0] for first in firsts],
        "down_block_types": ["DownEncoderBlock2D"] * stages,
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "layers_per_block": _count(shapes, "encoder.down_blocks.0.resnets.{}."),
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "up_block_types": ["UpDecoderBlock2D"] * stages,
    }


def text_encoder(shapes: Shapes) -> dict[str, Any]:
    """Keys of a `CLIPTextConfig`."""
    words, width = shapes["text_model.embeddings.token_embedding.weight"]
    config = {
        "hidden_size": width,
        "intermediate_size": shapes["text_model.encoder.layers.0.mlp.fc1.weight"][0],
        "max_position_embeddings": shapes["text_model.embeddings.position_embedding.weight"][0],
        "num_attention_heads": width // HEAD_DIM,
        "num_hidden_layers": _count(shapes, "text_model.encoder.layers.{}."),
        "vocab_size": words,
    }
    if head := shapes.get("text_projection.weight"):
        config["projection_dim"] = head[0]
    return config


def _count(names: Iterable[str], form: str) -> int:
    """How many numbers there are in the place of `{}`."""
    start = re.compile(re.escape(form).replace(r"\{\}", r"(\d+)"))
    return len({match[1] for name in names if (match := start.match(name))})


def _depth(shapes: Shapes, stage: str) -> int:
    """Layers of the transformers of a stage, 0 where it has none."""
    return _count(shapes, f"{stage}.attentions.0.transformer_blocks.{{}}.")


def _kind(shapes: Shapes, stage: str, side: str) -> str:
    return f"CrossAttn{side}Block2D" if _depth(shapes, stage) else f"{side}Block2D"
