"""A tokenizer of whole words and a small text encoder, both in the classes that CLIP users know."""

import itertools
import json
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.captions import WORDS

__all__ = ["LENGTH", "encode", "make_text_encoder", "make_tokenizer", "save_text_encoder"]

LENGTH = 40
_START, _END = "<|startoftext|>", "<|endoftext|>"
_PUBLISHED_PREFIX = "text_model."


def _vocabulary() -> tuple[dict[str, int], list[str]]:
    """Tokens by number, and the merges that make each known word one token.

    Letters alone are tokens too, so that an unknown word is spelt rather than refused.
    """
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?'\"-()/&+#%*"
    tokens = [_START, _END, *letters, *(f"{letter}</w>" for letter in letters)]
    known = set(tokens)
    merges: list[str] = []
    pieces = {word: [*word[:-1], f"{word[-1]}</w>"] for word in WORDS}
    while True:
        counts: dict[tuple[str, str], int] = {}
        for parts in pieces.values():
            for pair in itertools.pairwise(parts):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            return {token: number for number, token in enumerate(tokens)}, merges
        first, second = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(f"{first} {second}")
        if first + second not in known:
            known.add(first + second)
            tokens.append(first + second)
        pieces = {word: _merge(parts, first, second) for word, parts in pieces.items()}


def _merge(parts: list[str], first: str, second: str) -> list[str]:
    merged: list[str] = []
    for part in parts:
        if merged and merged[-1] == first and part == second:
            merged[-1] = first + second
        else:
            merged.append(part)
    return merged


def make_tokenizer(folder: Path) -> CLIPTokenizer:
    """Write the tokenizer's files and load them as anyone would."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = _vocabulary()
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False) + "\n")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    special = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": _END}
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": LENGTH,
        "do_lower_case": True,
        "add_prefix_space": False,
        "errors": "replace",
        **special,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")
    return CLIPTokenizer.from_pretrained(folder)


def make_text_encoder(vocabulary: int, width: int = 128, layers: int = 2) -> CLIPTextModel:
    """A text encoder with random weights."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            projection_dim=width,
            hidden_act="quick_gelu",
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
            initializer_factor=1.0,
        )
    )


def encode(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Token numbers (B, LENGTH), cut and padded as the pipeline does it."""
    tokens = tokenizer(
        captions, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    )
    return tokens.input_ids


def save_text_encoder(model: CLIPTextModel, folder: Path) -> None:
    """Save with the published files' names, whatever the installed transformers calls its own."""
    from safetensors.torch import save_file

    model.config.architectures = ["CLIPTextModel"]
    # The type to compute in by default: without it transformers takes that of the file.
    model.config.dtype = torch.float32
    model.config.save_pretrained(folder)
    tensors = {
        _PUBLISHED_PREFIX + key.removeprefix(_PUBLISHED_PREFIX): value.detach().contiguous()
        for key, value in model.state_dict().items()
        if not key.endswith("position_ids")
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
