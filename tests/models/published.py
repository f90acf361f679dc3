"""Configurations of published checkpoints, key for key, and versions of them at toy size."""

from typing import Any

STAGES_DOWN = [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"]
STAGES_UP = ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3]

SD15: dict[str, Any] = {
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": STAGES_DOWN,
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": STAGES_UP,
}
SD21 = SD15 | {
    "attention_head_dim": [5, 10, 20, 20],
    "cross_attention_dim": 1024,
    "dual_cross_attention": False,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "sample_size": 96,
    "use_linear_projection": True,
    "upcast_attention": True,
}
LATER = {
    "addition_embed_type_num_heads": 64,
    "class_embed_type": None,
    "class_embeddings_concat": False,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "cross_attention_norm": None,
    "dual_cross_attention": False,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "mid_block_only_cross_attention": None,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "num_attention_heads": None,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False,
    "resnet_time_scale_shift": "default",
    "time_cond_proj_dim": None,
    "time_embedding_act_fn": None,
    "time_embedding_dim": None,
    "time_embedding_type": "positional",
    "timestep_post_act": None,
    "upcast_attention": None,
}
SDXL = (
    SD15
    | LATER
    | {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "attention_head_dim": [5, 10, 20],
        "block_out_channels": [320, 640, 1280],
        "cross_attention_dim": 2048,
        "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 2],
        "projection_class_embeddings_input_dim": 2816,
        "sample_size": 128,
        "transformer_layers_per_block": [1, 2, 10],
        "up_block_types": [*["CrossAttnUpBlock2D"] * 2, "UpBlock2D"],
        "use_linear_projection": True,
    }
)
CONDITIONAL: dict[str, dict[str, Any]] = {
    "Stable Diffusion 1.5": SD15,
    "Stable Diffusion 1.5 inpainting": SD15 | {"in_channels": 9},
    "Stable Diffusion 2.1": SD21,
    "Stable Diffusion 2 depth": SD21
    | {"in_channels": 5, "sample_size": 64, "upcast_attention": False},
    "Stable Diffusion 2 inpainting": SD21
    | {"in_channels": 9, "sample_size": 64, "upcast_attention": False},
    "Stable Diffusion XL": SDXL,
    "Stable Diffusion XL refiner": SDXL
    | {
        "attention_head_dim": [6, 12, 24, 24],
        "block_out_channels": [384, 768, 1536, 1536],
        "cross_attention_dim": 1280,
        "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 2, "DownBlock2D"],
        "projection_class_embeddings_input_dim": 2560,
        "transformer_layers_per_block": 4,
        "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 2, "UpBlock2D"],
    },
    "latent consistency": SD15 | LATER | {"addition_embed_type": None, "time_cond_proj_dim": 256},
}

CAT256: dict[str, Any] = {
    "act_fn": "silu",
    "attention_head_dim": None,
    "block_out_channels": [128, 128, 256, 256, 512, 512],
    "center_input_sample": False,
    "down_block_types": [*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D"],
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "in_channels": 3,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-06,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 256,
    "time_embedding_type": "positional",
    "up_block_types": ["UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4],
}
UNCONDITIONAL: dict[str, dict[str, Any]] = {
    "google/ddpm-cat-256": CAT256,
    "google/ddpm-cifar10-32": CAT256
    | {
        "block_out_channels": [128, 256, 256, 256],
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D", *["DownBlock2D"] * 2],
        "sample_size": 32,
        "up_block_types": [*["UpBlock2D"] * 2, "AttnUpBlock2D", "UpBlock2D"],
    },
}

VAE15: dict[str, Any] = {
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 512,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
AUTOENCODERS: dict[str, dict[str, Any]] = {
    "Stable Diffusion 1.5": VAE15,
    "Stable Diffusion 2.1": VAE15 | {"sample_size": 768},
    "Stable Diffusion XL": VAE15
    | {"force_upcast": True, "sample_size": 1024, "scaling_factor": 0.13025},
}


def toy(config: dict[str, Any]) -> dict[str, Any]:
    """The same network, narrow: every key as published but for widths and numbers of layers."""
    widest = max(config["block_out_channels"])
    small = config | {
        "block_out_channels": [
            max(8, 32 * width // widest) for width in config["block_out_channels"]
        ],
        "norm_num_groups": 4,
        "sample_size": 16,
    }
    if heads := config.get("attention_head_dim"):
        small["attention_head_dim"] = 4 if isinstance(heads, int) else [1, 2, 4, 4][: len(heads)]
    if "cross_attention_dim" in config:
        small["cross_attention_dim"] = 24
    if isinstance(layers := config.get("transformer_layers_per_block", 1), list):
        small["transformer_layers_per_block"] = [min(number, 3) for number in layers]
    if config.get("time_cond_proj_dim"):
        small["time_cond_proj_dim"] = 12
    if config.get("addition_embed_type"):
        # six sizes of 8 numbers each beside a pooled text of 16
        small |= {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 64}
    return small
