"""What the tensors of original checkpoints are called here, which is as diffusers calls them.

Each function takes a key without the prefix of its component, and returns the pieces in it; a key
that no rule knows keeps its name, so that the loader tells of it.
"""

import re
from collections.abc import Mapping

from engine.checkpoints.pieces import Piece

__all__ = ["autoencoder", "clip", "dotted", "open_clip", "unet"]

UNET = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
SIDES = {"in": "down_blocks", "out": "up_blocks"}
BLOCK = re.compile(r"(in|out)put_blocks\.(\d+)\.(\d)\.(.+)")
MIDDLE_BLOCK = re.compile(r"middle_block\.([012])\.(.+)")
MIDDLE_BLOCKS = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}
RESIZE = {"op": "downsamplers.0.conv", "conv": "upsamplers.0.conv"}
RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}

AUTOENCODER = {
    "encoder.norm_out": "encoder.conv_norm_out",
    "decoder.norm_out": "decoder.conv_norm_out",
}
LEVEL = re.compile(r"(encoder\.down|decoder\.up)\.(\d+)\.(.+)")
LEVEL_PARTS = {
    "block": "resnets",
    "downsample": "downsamplers.0",
    "upsample": "upsamplers.0",
}
MIDDLE = re.compile(r"((?:encoder|decoder)\.mid)\.(block_1|block_2|attn_1)\.(.+)")
MIDDLE_PARTS = {"block_1": "resnets.0", "block_2": "resnets.1", "attn_1": "attentions.0"}
PIXEL_ATTENTION = {
    "norm": "group_norm",
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "proj_out": "to_out.0",
}

OPEN_CLIP = {
    "token_embedding": "embeddings.token_embedding",
    "ln_final": "final_layer_norm",
}
OPEN_CLIP_LAYER = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
LAYER = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
FUSED = re.compile(r"attn\.in_proj_(weight|bias)")
HEAD = "text_projection"

EMA_PARTS = re.compile(
    r"(?<=put_blocks)\d+(?=\d)|\d|attn\d|norm\d|input_blocks|middle_block|output_blocks|in_layers|"
    r"out_layers|emb_layers|time_embed|label_emb|skip_connection|transformer_blocks|proj_in|"
    r"proj_out|to_q|to_k|to_v|to_out|norm|proj|conv|net|out|op|ff|weight|bias"
)


def unet(key: str, layers: int) -> list[Piece]:
    """layers: residual blocks of a stage on the way down."""
    if middle := MIDDLE_BLOCK.fullmatch(key):
        part, rest = middle.groups()
        return [Piece(f"mid_block.{MIDDLE_BLOCKS[part]}.{_begin(rest, RESNET)}")]
    block = BLOCK.fullmatch(key)
    if block is None or key.startswith("input_blocks.0."):
        return [Piece(_begin(key, UNET))]
    side, number, part, rest = block.groups()
    stage, layer = divmod(int(number) - (side == "in"), layers + 1)
    where = f"{SIDES[side]}.{stage}"
    if rest.startswith(tuple(f"{name}." for name in RESIZE)):
        return [Piece(f"{where}.{_begin(rest, RESIZE)}")]
    kind = "resnets" if part == "0" else "attentions"
    return [Piece(f"{where}.{kind}.{layer}.{_begin(rest, RESNET)}")]


def autoencoder(key: str, stages: int) -> list[Piece]:
    """stages: sizes of the feature maps; the decoder counts them from the largest."""
    key = key.replace(".nin_shortcut.", ".conv_shortcut.")
    if level := LEVEL.fullmatch(key):
        side, number, rest = level.groups()
        stage = int(number) if side.startswith("encoder") else stages - 1 - int(number)
        return [Piece(f"{side}_blocks.{stage}.{_begin(rest, LEVEL_PARTS)}")]
    if middle := MIDDLE.fullmatch(key):
        side, part, rest = middle.groups()
        attention = part == "attn_1"
        rest = _begin(rest, PIXEL_ATTENTION) if attention else rest
        name = f"{side}_block.{MIDDLE_PARTS[part]}.{rest}"
        return [Piece(name, pointwise=attention)]
    return [Piece(_begin(key, AUTOENCODER))]


def clip(key: str) -> list[Piece]:
    """Of transformers' CLIP, which in older files has no `text_model.`; positions are counted."""
    if key.endswith("embeddings.position_ids"):
        return []
    return [Piece(key if key.startswith(("text_model.", HEAD)) else f"text_model.{key}")]


def open_clip(key: str, layers: int | None = None) -> list[Piece]:
    """Of OpenCLIP, with keys and values beside the queries in one tensor.

    layers: only so many are used, and what comes after them is not: a head neither.
    """
    if key in ("logit_scale", "attn_mask") or (key == HEAD and layers is not None):
        return []
    if key == HEAD:
        return [Piece(f"{HEAD}.weight", transposed=True)]
    if key == "positional_embedding":
        return [Piece("text_model.embeddings.position_embedding.weight")]
    layer = LAYER.fullmatch(key)
    if layer is None:
        return [Piece("text_model." + _begin(key, OPEN_CLIP))]
    number, rest = layer.groups()
    if layers is not None and int(number) >= layers:
        return []
    where = f"text_model.encoder.layers.{number}"
    if fused := FUSED.fullmatch(rest):
        return [
            Piece(f"{where}.self_attn.{name}_proj.{fused[1]}", share=(index, 3))
            for index, name in enumerate("qkv")
        ]
    return [Piece(f"{where}.{_begin(rest, OPEN_CLIP_LAYER)}")]


def dotted(name: str) -> str:
    """The key of a UNet whose name has lost its dots, as moving averages are stored."""
    return ".".join(EMA_PARTS.findall(name))


def _begin(key: str, names: Mapping[str, str]) -> str:
    """Replace the name that a key begins with, if it is one of `names`."""
    for old, new in names.items():
        if key.startswith(f"{old}."):
            return new + key.removeprefix(old)
    return key
