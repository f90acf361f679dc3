"""Small random checkpoints as one file in the original layout, made of diffusers' models.

The names are those of the code that Stable Diffusion and OpenCLIP were published with; they are
written down here from the models' side, apart from the rules of the engine.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

__all__ = [
    "TINY",
    "Made",
    "make",
    "original_autoencoder",
    "original_open_clip",
    "original_unet",
    "published_clip",
]

State = dict[str, Tensor]
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
OUTSIDE = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def original_unet(state: Mapping[str, Tensor], layers: int) -> State:
    """layers: `layers_per_block`."""
    stages = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("down_blocks."))
    places = {f"{name}.": f"{old}." for name, old in OUTSIDE.items()}
    places |= {
        "mid_block.resnets.0.": "middle_block.0.",
        "mid_block.attentions.0.": "middle_block.1.",
        "mid_block.resnets.1.": "middle_block.2.",
    }
    number = 1
    for stage in range(stages):
        for layer in range(layers):
            places[f"down_blocks.{stage}.resnets.{layer}."] = f"input_blocks.{number}.0."
            places[f"down_blocks.{stage}.attentions.{layer}."] = f"input_blocks.{number}.1."
            number += 1
        places[f"down_blocks.{stage}.downsamplers.0.conv."] = f"input_blocks.{number}.0.op."
        number += 1
    number = 0
    for stage in range(stages):
        for layer in range(layers + 1):
            places[f"up_blocks.{stage}.resnets.{layer}."] = f"output_blocks.{number}.0."
            places[f"up_blocks.{stage}.attentions.{layer}."] = f"output_blocks.{number}.1."
            number += 1
        attends = any(key.startswith(f"up_blocks.{stage}.attentions") for key in state)
        places[f"up_blocks.{stage}.upsamplers.0.conv."] = (
            f"output_blocks.{number - 1}.{1 + attends}.conv."
        )
    renamed = {}
    for key, tensor in state.items():
        place = next(name for name in places if key.startswith(name))
        rest = key.removeprefix(place)
        if ".resnets." in place:
            module, leaf = rest.split(".")
            rest = f"{RESNET[module]}.{leaf}"
        renamed[places[place] + rest] = tensor
    return renamed


def original_autoencoder(state: Mapping[str, Tensor]) -> State:
    stages = 1 + max(int(key.split(".")[2]) for key in state if ".down_blocks." in key)
    renamed = {}
    for key, tensor in state.items():
        up = re.match(r"decoder\.up_blocks\.(\d+)", key)
        key = key.replace(up[0], f"decoder.up.{stages - 1 - int(up[1])}") if up else key
        key = re.sub(r"encoder\.down_blocks\.(\d+)", r"encoder.down.\1", key)
        key = key.replace("mid_block.resnets.0", "mid.block_1")
        key = key.replace("mid_block.resnets.1", "mid.block_2")
        key = re.sub(r"\.resnets\.", ".block.", key)
        key = re.sub(r"(down|up)samplers\.0", r"\1sample", key)
        key = key.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        if "mid_block.attentions.0" in key:
            key = key.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
            key = re.sub(r"\.to_([qkv])\.", r".\1.", key).replace("to_out.0", "proj_out")
            tensor = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
        renamed[key] = tensor
    return renamed


def original_open_clip(state: Mapping[str, Tensor], unused: int = 0) -> State:
    """state: in published names. unused: how many more layers to add, as in Stable Diffusion 2."""
    renamed: State = {"logit_scale": torch.tensor(4.6)}
    layers = 1 + max(int(key.split(".")[3]) for key in state if ".layers." in key)
    for layer in range(layers):
        source, target = f"text_model.encoder.layers.{layer}.", f"transformer.resblocks.{layer}."
        for leaf in ("weight", "bias"):
            fused = [state[f"{source}self_attn.{name}_proj.{leaf}"] for name in "qkv"]
            renamed[f"{target}attn.in_proj_{leaf}"] = torch.cat(fused)
            for name, old in (
                ("self_attn.out_proj", "attn.out_proj"),
                ("layer_norm1", "ln_1"),
                ("layer_norm2", "ln_2"),
                ("mlp.fc1", "mlp.c_fc"),
                ("mlp.fc2", "mlp.c_proj"),
            ):
                renamed[f"{target}{old}.{leaf}"] = state[f"{source}{name}.{leaf}"]
    embeddings = "text_model.embeddings"
    renamed["positional_embedding"] = state[f"{embeddings}.position_embedding.weight"]
    renamed["token_embedding.weight"] = state[f"{embeddings}.token_embedding.weight"]
    for leaf in ("weight", "bias"):
        renamed[f"ln_final.{leaf}"] = state[f"text_model.final_layer_norm.{leaf}"]
    if "text_projection.weight" in state:
        renamed["text_projection"] = state["text_projection.weight"].T
    for layer in range(layers, layers + unused):
        last = f"transformer.resblocks.{layers - 1}."
        renamed |= {
            key.replace(last, f"transformer.resblocks.{layer}."): torch.zeros_like(tensor)
            for key, tensor in renamed.items()
            if key.startswith(last)
        }
        renamed["text_projection"] = torch.zeros_like(renamed[f"{last}attn.out_proj.weight"])
    return renamed


def published_clip(model: Any) -> State:
    """A text encoder's tensors by the names of published files."""
    state = model.state_dict()
    bare = not any(key.startswith("text_model.") for key in state)
    return {f"text_model.{key}" if bare else key: tensor for key, tensor in state.items()}


@dataclass(frozen=True)
class Tiny:
    """A family at toy size. pipeline: its class. unet: settings. texts: widths of text encoders.

    clip: prefix of the first text encoder, in transformers' names; "" where it is OpenCLIP's.
    """

    pipeline: str
    unet: dict[str, Any]
    texts: tuple[int, ...] = (64,)
    clip: str = ""
    open_clip: str = ""
    prediction: str = "epsilon"
    scaling_factor: float = 0.18215


SMALL = {
    "block_out_channels": (64, 128),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": 64,
    "sample_size": 64,
}
LINEAR = SMALL | {"attention_head_dim": (1, 2), "use_linear_projection": True}
XL = LINEAR | {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "cross_attention_dim": 192,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "projection_class_embeddings_input_dim": 128 + 6 * 256,
    "sample_size": 128,
    "transformer_layers_per_block": 2,
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}
REFINER = XL | {
    "attention_head_dim": (1, 1, 2, 2),
    "block_out_channels": (64, 64, 128, 128),
    "cross_attention_dim": 128,
    "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 2, "DownBlock2D"),
    "projection_class_embeddings_input_dim": 128 + 5 * 256,
    "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 2, "UpBlock2D"),
}
CLIP_1 = {"clip": "cond_stage_model.transformer."}
CLIP_2 = {"open_clip": "cond_stage_model.model."}
CLIP_XL = {
    "texts": (64, 128),
    "clip": "conditioner.embedders.0.transformer.",
    "open_clip": "conditioner.embedders.1.model.",
    "scaling_factor": 0.13025,
}
TEXT_TO_IMAGE, INPAINT = "StableDiffusionPipeline", "StableDiffusionInpaintPipeline"
TINY: dict[str, Tiny] = {
    "1": Tiny(TEXT_TO_IMAGE, SMALL, **CLIP_1),
    "1 inpainting": Tiny(INPAINT, SMALL | {"in_channels": 9}, **CLIP_1),
    "2 base": Tiny(TEXT_TO_IMAGE, LINEAR, **CLIP_2),
    "2": Tiny(TEXT_TO_IMAGE, LINEAR | {"sample_size": 96}, **CLIP_2, prediction="v_prediction"),
    "2 inpainting": Tiny(INPAINT, LINEAR | {"in_channels": 9}, **CLIP_2),
    "2 depth": Tiny("StableDiffusionDepth2ImgPipeline", LINEAR | {"in_channels": 5}, **CLIP_2),
    "XL": Tiny("StableDiffusionXLPipeline", XL, **CLIP_XL),
    "XL inpainting": Tiny("StableDiffusionXLInpaintPipeline", XL | {"in_channels": 9}, **CLIP_XL),
    "XL refiner": Tiny(
        "StableDiffusionXLImg2ImgPipeline",
        REFINER,
        texts=(128,),
        open_clip="conditioner.embedders.0.model.",
        scaling_factor=0.13025,
    ),
}


@dataclass(frozen=True)
class Made:
    """A checkpoint of a family. models: of diffusers, by component. tensors: of the file."""

    tiny: Tiny
    models: dict[str, Any]
    tensors: State = field(repr=False)

    def save(self, path: Path, dtype: torch.dtype = torch.float32, **more: Tensor) -> Path:
        """Write the file; more: tensors to add."""
        tensors = {key: tensor.to(dtype).contiguous() for key, tensor in self.tensors.items()}
        save_file(tensors | more, path)
        return path


def make(name: str) -> Made:
    """Make the models of a family of `TINY`, with random weights."""
    import diffusers

    tiny = TINY[name]
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(**tiny.unet).eval()
    vae = diffusers.AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        scaling_factor=tiny.scaling_factor,
        sample_size=8 * tiny.unet["sample_size"],
    ).eval()
    models = {"unet": unet, "vae": vae, **texts(tiny)}
    tensors = prefixed("model.diffusion_model.", original_unet(unet.state_dict(), 1))
    tensors |= prefixed("first_stage_model.", original_autoencoder(vae.state_dict()))
    encoders = [model for part, model in models.items() if part.startswith("text_encoder")]
    if tiny.clip:
        tensors |= prefixed(tiny.clip, published_clip(encoders[0]))
    if tiny.open_clip:
        unused = 1 if tiny.open_clip == "cond_stage_model.model." else 0
        state = original_open_clip(published_clip(encoders[-1]), unused)
        tensors |= prefixed(tiny.open_clip, state)
    return Made(tiny, models, tensors)


def texts(tiny: Tiny) -> dict[str, Any]:
    """Text encoders by component, with two layers, or 23 where one more is stored and not used."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    made: dict[str, Any] = {}
    for number, width in enumerate(tiny.texts):
        second = tiny.pipeline.startswith("StableDiffusionXL") and number == len(tiny.texts) - 1
        original = bool(tiny.open_clip) and number == len(tiny.texts) - 1
        config = CLIPTextConfig(
            hidden_act="gelu" if original else "quick_gelu",
            hidden_size=width,
            intermediate_size=2 * width,
            num_attention_heads=width // 64,
            num_hidden_layers=23 if original and not second else 2,
            projection_dim=width,
            bos_token_id=0,
            eos_token_id=2,
        )
        kind = CLIPTextModelWithProjection if second else CLIPTextModel
        made["text_encoder_2" if second else "text_encoder"] = kind(config).eval()
    return made


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}
