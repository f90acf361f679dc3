"""CLIP's tokenizer, which no checkpoint in one file brings along.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision",
section 2.4: byte-pair encoding of text in small letters.
"""

import gzip
from pathlib import Path
from typing import Any

__all__ = ["MAX_LENGTH", "clip_tokenizer"]

MERGES = Path(__file__).parent / "data" / "clip_merges.txt.gz"
MAX_LENGTH = 77
PRINTABLE = (*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), 256))
"""Bytes that stand for themselves; the others are named by characters from 256 on."""


def clip_tokenizer(pad_token: str) -> Any:
    """The published `CLIPTokenizer` of 49,408 tokens, which pads with the one given."""
    from transformers import CLIPTokenizer

    lines = gzip.decompress(MERGES.read_bytes()).decode().splitlines()
    merges: list[Any] = [tuple(line.split()) for line in lines[1:]]
    others = range(256, 512 - len(PRINTABLE))
    letters = [chr(code) for code in (*PRINTABLE, *others)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    return CLIPTokenizer(vocabulary, merges, pad_token=pad_token, model_max_length=MAX_LENGTH)
