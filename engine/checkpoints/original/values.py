"""A few numbers of a safetensors file, read without torch."""

import json
from pathlib import Path

import numpy as np

__all__ = ["read_values"]

TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "BF16": "<u2"}


def read_values(path: Path, key: str) -> np.ndarray | None:
    """The numbers of a tensor (N,), in float64; None where they are of another type than these."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[key]
        start, end = entry["data_offsets"]
        file.seek(8 + length + start)
        data = file.read(end - start)
    if entry["dtype"] not in TYPES:
        return None
    numbers = np.frombuffer(data, TYPES[entry["dtype"]])
    if entry["dtype"] == "BF16":  # the upper half of a float32
        numbers = (numbers.astype("<u4") << 16).view("<f4")
    return numbers.astype(np.float64)
