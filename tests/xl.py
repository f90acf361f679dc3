"""SDXL in the tests: small random checkpoints, the schedulers it comes with, short runs."""

from pathlib import Path
from typing import Any

import torch

import engine
from tests.conftest import make_tokenizer_files
from tests.pipelines.parity import array, seeded

__all__ = [
    *("EMBEDDINGS", "KINDS", "PUBLISHED", "SCHEDULERS"),
    *("draw", "drawn", "make_xl_checkpoint", "put"),
]

PUBLISHED = {
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
"""Settings of the Euler scheduler that SDXL is published with."""

KINDS = {
    "base": "StableDiffusionXLPipeline",
    "refiner": "StableDiffusionXLImg2ImgPipeline",
    "inpaint": "StableDiffusionXLInpaintPipeline",
}
"""Kind of a checkpoint -> class that its index names."""
TRAILING = {"timestep_spacing": "trailing"}
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Euler as published": ("EulerDiscreteScheduler", {}),
    "Euler of Lightning": ("EulerDiscreteScheduler", TRAILING),
    "Euler a of Turbo": ("EulerAncestralDiscreteScheduler", TRAILING),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DDIM": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    "LCM": ("LCMScheduler", {"clip_sample": False}),
}
"""Those of SDXL, of what is distilled from it, and others: class, and what differs."""


def make_xl_checkpoint(folder: Path, kind: str = "base", seed: int = 0) -> Path:
    """Write a random SDXL checkpoint, a key of `KINDS`, for 64 x 64 pixels, by diffusers."""
    import diffusers
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    torch.manual_seed(seed)
    refiner = kind == "refiner"
    words = make_tokenizer_files(folder / "tokenizer")
    tokenizers = [
        CLIPTokenizer.from_pretrained(folder / "tokenizer", **pad)
        for pad in ({}, {"pad_token": "z"})
    ]
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
        latent_channels=4,
        scaling_factor=0.5,
    )
    settings: dict[str, Any] = {"force_zeros_for_empty_prompt": not refiner}
    if kind != "base":
        settings["requires_aesthetics_score"] = refiner
    pipeline = getattr(diffusers, KINDS[kind])(
        vae=vae,
        text_encoder=None if refiner else CLIPTextModel(_text(words, 16, 2)).eval(),
        text_encoder_2=CLIPTextModelWithProjection(_text(words, 24, 3)).eval(),
        tokenizer=None if refiner else tokenizers[0],
        tokenizer_2=tokenizers[1],
        unet=_unet(9 if kind == "inpaint" else 4, refiner),
        scheduler=diffusers.EulerDiscreteScheduler(**PUBLISHED),
        add_watermarker=False,
        **settings,
    )
    pipeline.save_pretrained(folder)
    return folder


def _text(words: dict[str, int], width: int, layers: int) -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=32,
        projection_dim=20,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=words["<|startoftext|>"],
        eos_token_id=words["<|endoftext|>"],
        pad_token_id=words["<|endoftext|>"],
    )


def _unet(channels: int, refiner: bool) -> Any:
    import diffusers

    return diffusers.UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        transformer_layers_per_block=(1, 2),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        cross_attention_dim=24 if refiner else 40,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=20 + 8 * (5 if refiner else 6),
        norm_num_groups=8,
    )


def put(scheduler: str, *pipelines: Any) -> None:
    """One of `SCHEDULERS` into our pipeline and diffusers'."""
    import diffusers

    cls, settings = SCHEDULERS[scheduler]
    for library, pipe in zip((engine, diffusers), pipelines, strict=False):
        pipe.scheduler = getattr(library, cls).from_config({**PUBLISHED, **settings})


def draw(pipeline: Any, *args: Any, **call: Any) -> torch.Tensor:
    """The numbers of a short run with a seed."""
    settings = {"num_inference_steps": 4, "output_type": "np", "generator": seeded()}
    return array(pipeline(*args, **settings | call).images)


def drawn(*shape: int) -> torch.Tensor:
    """The same noise each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


EMBEDDINGS: dict[str, Any] = {
    "prompt": None,
    "prompt_embeds": drawn(1, 16, 40),
    "negative_prompt_embeds": drawn(1, 16, 40).flip(1),
    "pooled_prompt_embeds": drawn(1, 20),
    "negative_pooled_prompt_embeds": drawn(1, 20).flip(1),
}
"""A text for the base model, already encoded."""
