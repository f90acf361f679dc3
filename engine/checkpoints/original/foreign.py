"""What a file is that is no checkpoint of a known family: said in words, with what to do."""

import re
from collections.abc import Iterable, Mapping

__all__ = ["describe", "variant"]

_OTHER = "this version reads Stable Diffusion 1, 2 and XL."
_ADDITION = "it changes a checkpoint and is none itself: choose the checkpoint that it is for."
_UNET = (
    "a UNet alone, without autoencoder and text encoder: choose a file that has all three, or load "
    "a whole checkpoint and give the UNet as unet=..."
)

VARIANTS: dict[str, str] = {
    r"edm_mean$|edm_std$": f"a Playground 2.5 checkpoint: {_OTHER}",
    r"edm_vpred\.": f"a checkpoint of continuous noise levels, as CosXL: {_OTHER}",
    r"embedder\.model\.visual\.|noise_augmentor\.": f"a Stable unCLIP checkpoint: {_OTHER}",
    r"model\.diffusion_model\.label_emb\.weight$": f"a Stable Diffusion x4 upscaler: {_OTHER}",
}
"""How a key begins of checkpoints that resemble those that are known, and work otherwise -> what
they are."""

MARKS: dict[str, str] = {
    r".*(lora_(up|down|A|B|unet|te)|\.(hada|lokr|oft|dora)_)": f"a LoRA: {_ADDITION}",
    r"(emb_params|string_to_param|clip_[lg])\b": f"an embedding (textual inversion): {_ADDITION}",
    r"control_model\.|controlnet_|.*input_hint_block": f"a ControlNet: {_ADDITION}",
    r".*motion_modules\.": f"a motion module of AnimateDiff: {_ADDITION}",
    r"ip_adapter\.|image_proj\.": f"an IP-Adapter: {_ADDITION}",
    r"(.*\.)?(double_blocks|single_blocks)\.": f"a Flux checkpoint: {_OTHER}",
    r"(.*\.)?joint_blocks\.": f"a Stable Diffusion 3 checkpoint: {_OTHER}",
    r"(.*\.)?(clip_(txt_)?mapper|effnet_mapper)\.": f"a Stable Cascade checkpoint: {_OTHER}",
    r"model\.diffusion_model\.": f"a diffusion model of another kind: {_OTHER}",
    r"input_blocks\.|down_blocks\.\d+\.(resnets|attentions)": _UNET,
    r"((first_stage_model|vae)\.)?(encoder|decoder)\.(conv_in|up|down|mid)": "an autoencoder alone:"
    " load it by AutoencoderKL.from_single_file, and give it to a pipeline as vae=...",
    r"(.*\.)?(text_model|transformer\.resblocks|token_embedding)\b": "a text encoder alone: choose "
    "a file that has a UNet too.",
}
"""How a key of such a file begins -> what it is; the first that fits counts."""


def variant(keys: Iterable[str]) -> str | None:
    """What a file with these keys is, if it is one of `VARIANTS`."""
    return _first(VARIANTS, list(keys))


def describe(keys: Iterable[str]) -> str:
    """What a file with these keys looks like, which has no UNet of a known family."""
    names = list(keys)
    first = ", ".join(names[:3]) or "none"
    return _first(MARKS, names) or f"nothing known (its first tensors are {first}): {_OTHER}"


def _first(marks: Mapping[str, str], names: list[str]) -> str | None:
    for mark, words in marks.items():
        pattern = re.compile(mark)
        if any(pattern.match(name) for name in names):
            return words
    return None
