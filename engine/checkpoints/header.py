"""The header of a safetensors file, checked to the last byte before any other code maps the file.

A file is the length of its header in eight bytes, the header in JSON, and the tensors one after
the other (https://github.com/huggingface/safetensors#format).
"""

import json
import os
import re
from collections import Counter
from math import prod
from pathlib import Path
from reprlib import repr as short
from typing import Any, BinaryIO, NamedTuple

from engine.checkpoints.layout import CONVERT, REFUSED
from engine.errors import CheckpointError

__all__ = ["Shape", "read_header", "stored_dtype"]

Shape = tuple[int, ...]

MAX_HEADER = 100_000_000
"""Bytes of a header, as in safetensors itself."""
MAX_MARKS = 150_000
"""Brackets and commas of a header, some ten a tensor: they decide how long reading it takes."""
MAX_TENSORS = 10_000
MAX_NAME = 500
MAX_SIDES, MAX_SIDE = 16, 2**31 - 1
SIZES = {
    **dict.fromkeys(("BOOL", "F8_E4M3", "F8_E5M2", "I8", "U8"), 1),
    **dict.fromkeys(("BF16", "F16", "I16", "U16"), 2),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F64", "I64", "U64"), 8),
}
"""Type of a tensor -> bytes of one of its numbers."""
DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}
"""As torch calls those that a model is usually stored in."""
KEYS = {"dtype", "shape", "data_offsets"}
METADATA = "__metadata__"

CODE = f"can run code when it is opened, and is never read. {CONVERT}"
AGAIN = "fetch it again."
FOREIGN: dict[str, str] = {
    r"version https://git-lfs": "a Git LFS pointer, not the weights: run `git lfs pull` in its "
    "folder.",
    r"\x80[\x02-\x05]|c[\w.]+\n\w+\n|\((dp|lp|i|c)|[\]}()]q": f"a pickle, which {CODE}",
    r"PK\x03\x04": f"a zip archive, as .bin, .ckpt and .pt files are, which {CODE}",
    r"\s*<": f"a web page, not the weights: {AGAIN}",
    r"\s*[{[]": f"JSON, not weights; perhaps what a server said in their place: {AGAIN}",
    r"GGUF": "a GGUF file: take a version of the model that has safetensors.",
    r"\x89HDF": "an HDF5 file: take a version of the model that has safetensors.",
}
"""How other files begin -> what is said of them."""


class Tensor(NamedTuple):
    """An entry of a header; the offsets are counted from its end."""

    begin: int
    end: int
    name: str
    shape: Shape
    dtype: str


class Damage(Exception):
    """What is wrong with a file, in words that follow its path."""


def read_header(path: Path) -> dict[str, Shape]:
    """Read what a file says of its tensors: name -> shape, in the order of the file.

    The tensors themselves are not read, but are sure to be there: each has its place, and there
    is nothing else. Raises `CheckpointError`.
    """
    return {tensor.name: tensor.shape for tensor in _described(path)}


def stored_dtype(path: Path) -> str:
    """The type in which most of a file is stored, as torch calls it; raises `CheckpointError`."""
    sizes: Counter[str] = Counter()
    for tensor in _described(path):
        sizes[tensor.dtype] += tensor.end - tensor.begin
    most = sizes.most_common(1)
    return DTYPES.get(most[0][0], most[0][0]) if most else ""


def _described(path: Path) -> list[Tensor]:
    try:
        if path.suffix in REFUSED:
            raise Damage(f"is of a format that {CODE}")
        if not path.is_file():
            raise Damage("is no file: the checkpoint is not complete, " + AGAIN)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = _read(file, size)
        tensors = _tensors(_parse(header))
        _check_places(tensors, size - 8 - len(header))
    except Damage as damage:
        raise CheckpointError(f"{path} {damage}") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from None
    return tensors


def _read(file: BinaryIO, size: int) -> bytes:
    """The header's bytes. size: of the whole file."""
    if not size:
        raise Damage("is empty: " + AGAIN)
    start = file.read(64)
    length = int.from_bytes(start[:8], "little")
    if length > min(MAX_HEADER, size - 8) or start[8:9] != b"{":
        for form, words in FOREIGN.items():
            if re.match(form.encode(), start):
                raise Damage(f"is {words}")
        raise Damage(
            f"is damaged or truncated (of {size:,} bytes, which should begin with a header of "
            f"{length:,}; at most {MAX_HEADER:,} are read): {AGAIN}"
        )
    file.seek(8)
    return file.read(length)


def _parse(header: bytes) -> dict[str, Any]:
    if sum(map(header.count, (b"{", b"[", b","))) > MAX_MARKS:
        raise Damage(
            f"has a header of more than {MAX_MARKS:,} parts: take another version of the model."
        )
    try:
        value = json.loads(header.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Damage(f"is damaged (its header is not readable JSON: {error}): {AGAIN}") from None
    metadata = value.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(type(text) is str for text in metadata.values()):
        raise Damage(f"is damaged ({METADATA} is not text by name): {AGAIN}")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise Damage(f"is damaged (its header has {short(twice)} twice): {AGAIN}")
    return made


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _tensors(header: dict[str, Any]) -> list[Tensor]:
    if len(header) > MAX_TENSORS:
        raise Damage(
            f"has {len(header):,} tensors, and at most {MAX_TENSORS:,} are read: take another "
            "version of the model."
        )
    return sorted(_tensor(name, entry) for name, entry in header.items())


def _tensor(name: str, entry: Any) -> Tensor:
    def damage(what: str) -> Damage:
        return Damage(f"is damaged ({short(name)} {what}): {AGAIN}")

    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise damage(f"is no name of 1 to {MAX_NAME} printable characters")
    if not isinstance(entry, dict) or entry.keys() != KEYS:
        raise damage(f"is described by {short(entry)}, not by {', '.join(sorted(KEYS))} alone")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in SIZES:
        raise damage(f"has the dtype {short(dtype)}, and known are {', '.join(SIZES)}")
    if not _whole(shape) or len(shape) > MAX_SIDES or max(shape, default=0) > MAX_SIDE:
        raise damage(f"has the shape {short(shape)}")
    if not _whole(offsets) or len(offsets) != 2:
        raise damage(f"has the offsets {short(offsets)}")
    begin, end = offsets
    if (needed := prod(shape) * SIZES[dtype]) != end - begin:
        raise damage(f"needs {needed:,} bytes, and has those from {begin:,} to {end:,}")
    return Tensor(begin, end, name, tuple(shape), dtype)


def _whole(values: Any) -> bool:
    """Whether it is a list of whole numbers from 0 on; booleans are none."""
    return isinstance(values, list) and all(type(one) is int and one >= 0 for one in values)


def _check_places(tensors: list[Tensor], data: int) -> None:
    """tensors: in the order of the file. data: bytes that there are behind the header."""
    end = 0
    for tensor in tensors:
        if tensor.begin != end:
            what = "overlaps the tensor before it" if tensor.begin < end else "leaves a gap"
            raise Damage(
                f"is damaged ({short(tensor.name)} {what} at byte {tensor.begin}): {AGAIN}"
            )
        end = tensor.end
    if end > data:
        raise Damage(f"is truncated ({data:,} bytes of tensors in place of {end:,}): {AGAIN}")
    if end < data:
        raise Damage(f"is damaged ({data - end:,} bytes at its end are of no tensor): {AGAIN}")
