"""The families of checkpoints in the original layout: what makes each, with published settings.

What the shapes of the tensors tell stands in `measure` and not here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.checkpoints.header import Shape

__all__ = ["FAMILIES", "LATENT_SCALE", "Family", "Text", "family_of"]

LATENT_SCALE = 8
"""Pixels to a side of one latent."""

_NOISE = {
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
_NOISE_XL = _NOISE | {
    "interpolation_type": "linear",
    "sample_max_value": 1.0,
    "timestep_spacing": "leading",
    "use_karras_sigmas": False,
}

_TEXT = {
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-05,
    "pad_token_id": 1,
    "projection_dim": 768,
}


@dataclass(frozen=True)
class Text:
    """A text encoder. prefixes: how its keys may begin, and the first that is there counts.

    layers: how many of OpenCLIP's are used, without its head; None for all, and the head.
    """

    cls: str
    prefixes: tuple[str, ...]
    config: Mapping[str, Any]
    layers: int | None = None


_CLIP = _TEXT | {"hidden_act": "quick_gelu"}
_OPEN_CLIP = _TEXT | {"hidden_act": "gelu"}
_WITH_HEAD = "CLIPTextModelWithProjection"
_WHOLE, _ORIGINAL = "cond_stage_model.transformer.", "cond_stage_model.model."
_EMBEDDERS = "conditioner.embedders.{}.{}."

_END, _FIRST = "<|endoftext|>", "!"
"""What is behind a text, up to the full length: CLIP's end, OpenCLIP's first token, which is 0."""

_XL_UNET = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
_XL_VAE = {"force_upcast": True, "scaling_factor": 0.13025}


@dataclass(frozen=True)
class Family:
    """What checkpoints of one version have in common.

    pipelines: channels that the UNet takes -> class. texts: component -> text encoder.
    tokenizers: component -> what it pads with.
    schedulers, sizes: what the UNet predicts -> class of the scheduler, and the side of the latents
    that it was trained on. scheduler, unet, vae: settings. index: of `model_index.json`, beside
    the components.
    """

    name: str
    pipelines: Mapping[int, str]
    texts: Mapping[str, Text]
    tokenizers: Mapping[str, str]
    schedulers: Mapping[str, str]
    sizes: Mapping[str, int]
    scheduler: Mapping[str, Any] = field(default_factory=lambda: _NOISE)
    unet: Mapping[str, Any] = field(default_factory=dict)
    vae: Mapping[str, Any] = field(default_factory=dict)
    index: Mapping[str, Any] = field(default_factory=dict)


_EITHER = {"epsilon": "PNDMScheduler", "v_prediction": "DDIMScheduler"}
_EULER = dict.fromkeys(_EITHER, "EulerDiscreteScheduler")
_UNCHECKED = {"safety_checker": [None, None], "feature_extractor": [None, None]}

FAMILIES: dict[str, Family] = {
    "1": Family(
        name="Stable Diffusion 1",
        pipelines={4: "StableDiffusionPipeline", 9: "StableDiffusionInpaintPipeline"},
        texts={"text_encoder": Text("CLIPTextModel", (_WHOLE, _ORIGINAL), _CLIP)},
        tokenizers={"tokenizer": _END},
        schedulers=_EITHER,
        sizes=dict.fromkeys(_EITHER, 64),
        index=_UNCHECKED,
    ),
    "2": Family(
        name="Stable Diffusion 2",
        pipelines={
            4: "StableDiffusionPipeline",
            5: "StableDiffusionDepth2ImgPipeline",
            9: "StableDiffusionInpaintPipeline",
        },
        texts={
            "text_encoder": Text(
                "CLIPTextModel",
                (_ORIGINAL, _WHOLE, _EMBEDDERS.format(0, "model")),
                _OPEN_CLIP | {"projection_dim": 512},
                layers=23,
            )
        },
        tokenizers={"tokenizer": _FIRST},
        schedulers=_EITHER,
        sizes={"epsilon": 64, "v_prediction": 96},
        index=_UNCHECKED,
    ),
    "XL": Family(
        name="Stable Diffusion XL",
        pipelines={4: "StableDiffusionXLPipeline", 9: "StableDiffusionXLInpaintPipeline"},
        texts={
            "text_encoder": Text("CLIPTextModel", (_EMBEDDERS.format(0, "transformer"),), _CLIP),
            "text_encoder_2": Text(_WITH_HEAD, (_EMBEDDERS.format(1, "model"),), _OPEN_CLIP),
        },
        tokenizers={"tokenizer": _END, "tokenizer_2": _FIRST},
        schedulers=_EULER,
        sizes=dict.fromkeys(_EITHER, 128),
        scheduler=_NOISE_XL,
        unet=_XL_UNET,
        vae=_XL_VAE,
        index={"force_zeros_for_empty_prompt": True},
    ),
    "XL refiner": Family(
        name="Stable Diffusion XL refiner",
        pipelines={4: "StableDiffusionXLImg2ImgPipeline"},
        texts={"text_encoder_2": Text(_WITH_HEAD, (_EMBEDDERS.format(0, "model"),), _OPEN_CLIP)},
        tokenizers={"tokenizer_2": _FIRST},
        schedulers=_EULER,
        sizes=dict.fromkeys(_EITHER, 128),
        scheduler=_NOISE_XL,
        unet=_XL_UNET,
        vae=_XL_VAE,
        index={
            "text_encoder": [None, None],
            "tokenizer": [None, None],
            "force_zeros_for_empty_prompt": False,
            "requires_aesthetics_score": True,
        },
    ),
}
"""By the names that people use, in the order in which they came out."""


def family_of(unet: Mapping[str, Shape]) -> Family | None:
    """The family of a UNet, told by the structure of its tensors, in our names; None: of none."""
    projection = unet.get("mid_block.attentions.0.proj_in.weight")
    if projection is None or "conv_in.weight" not in unet:
        return None
    if "add_embedding.linear_1.weight" in unet:
        refiner = any(name.startswith("down_blocks.3.") for name in unet)
        return FAMILIES["XL refiner" if refiner else "XL"]
    return FAMILIES["2" if len(projection) == 2 else "1"]
