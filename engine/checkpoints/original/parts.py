"""The networks in a file of the original layout: which tensors are whose, in our names."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from engine.checkpoints.header import Shape
from engine.checkpoints.original import names
from engine.checkpoints.original.families import Text
from engine.checkpoints.pieces import Piece, Rename, current_name

__all__ = ["UNET_PREFIX", "Part", "find_autoencoder", "find_text_encoder", "find_unet"]

UNET_PREFIX = "model.diffusion_model."
EMA_PREFIX = "model_ema.diffusion_model"
AUTOENCODER_PREFIXES = ("first_stage_model.", "vae.", "")
AUTOENCODER = re.compile(r"(encoder|decoder|quant_conv|post_quant_conv)\.")
DOWNSAMPLING = re.compile(r"input_blocks\.(\d+)\.0\.op\.weight")
LEVEL = re.compile(r"decoder\.up\.(\d+)\.")

Header = Mapping[str, Shape]


class Part(NamedTuple):
    """A network. rename: of the file's keys. shapes: of its tensors, by our names."""

    rename: Rename
    shapes: dict[str, Shape]


def find_unet(header: Header) -> Part | None:
    """The trained weights, or where there are none their moving averages."""
    for prefix, plain in ((UNET_PREFIX, str), (EMA_PREFIX, names.dotted)):
        keys = [plain(key.removeprefix(prefix)) for key in header if key.startswith(prefix)]
        resized = [int(match[1]) for key in keys if (match := DOWNSAMPLING.fullmatch(key))]
        if resized:
            pieces = partial(_unet, plain=plain, layers=min(resized) - 1)
            return _part(header, prefix, pieces)
    return None


def find_autoencoder(header: Header) -> Part | None:
    """One beside a UNet or alone, in the diffusers layout too."""
    for prefix in AUTOENCODER_PREFIXES:
        if f"{prefix}decoder.conv_in.weight" in header:
            keys = [key.removeprefix(prefix) for key in header if key.startswith(prefix)]
            stages = len({match[1] for key in keys if (match := LEVEL.match(key))})
            return _part(header, prefix, partial(_autoencoder, stages=stages))
    return None


def find_text_encoder(header: Header, text: Text) -> Part | None:
    """The text encoder of a family; raises nothing, as a file may do without."""
    for prefix in text.prefixes:
        if any(key.startswith(prefix) for key in header):
            original = prefix.endswith(".model.")
            pieces = partial(names.open_clip, layers=text.layers) if original else names.clip
            return _part(header, prefix, pieces)
    return None


def _part(header: Header, prefix: str, pieces: Callable[[str], Sequence[Piece]]) -> Part:
    def rename(key: str) -> Sequence[Piece]:
        return pieces(key.removeprefix(prefix)) if key.startswith(prefix) else []

    found = [(piece, shape) for key, shape in header.items() for piece in rename(key)]
    return Part(rename, {piece.name: piece.shape(shape) for piece, shape in found})


def _unet(key: str, plain: Callable[[str], str], layers: int) -> Sequence[Piece]:
    return names.unet(plain(key), layers)


def _autoencoder(key: str, stages: int) -> Sequence[Piece]:
    """Nothing of the losses that some were stored with; stages: 0 for the diffusers layout."""
    if not AUTOENCODER.match(key):
        return []
    return names.autoencoder(key, stages) if stages else current_name(key)
