"""Reading and writing weights: safetensors only, checked before a single value is used."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.checkpoints.layout import (
    pick_weights,
    stored_weights,
    weight_files,
    weights_index_name,
    weights_name,
)
from engine.checkpoints.repository import Folder
from engine.errors import CheckpointError, EngineError

__all__ = [
    "MAX_SHARD_SIZE",
    "check_file",
    "local_weights",
    "read_tensors",
    "weights_dtype",
    "write_tensors",
    "write_weights",
]

MAX_SHARD_SIZE = "10GB"

Shape = tuple[int, ...]
LFS_MARK = b"version https://git-lfs"
OLD_KEY = re.compile(r"(.*\battentions\.\d+\.)(query|key|value|proj_attn)(\.(?:weight|bias))")
NEW_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Attention over pixels had other names in files made before 2023."""


def weights_dtype(dtype: torch.dtype | None, torch_dtype: torch.dtype | None) -> torch.dtype:
    """The type to load as, given under its new name, its old one, or neither: float32."""
    for given in (dtype, torch_dtype):
        if given is not None and not isinstance(given, torch.dtype):
            raise EngineError(f"dtype is {given!r}: give a type such as torch.float16.")
    if None not in (dtype, torch_dtype) and dtype != torch_dtype:
        raise EngineError(f"dtype is {dtype}, but torch_dtype is {torch_dtype}: give one of them.")
    return dtype or torch_dtype or torch.float32


def local_weights(folder: Path, stem: str, variant: str | None = None) -> list[Path]:
    """The safetensors files of a component that is here; raises `CheckpointError`."""
    names = Folder(folder).names("")
    picked = pick_weights(names, stem, variant, str(folder))
    return [folder / name for name in weight_files(folder, picked, names)]


def check_file(path: Path) -> dict[str, Shape]:
    """Read the header of a safetensors file: key -> shape. A `CheckpointError` names the damage."""
    with path.open("rb") as file:
        if file.read(len(LFS_MARK)) == LFS_MARK:
            raise CheckpointError(
                f"{path} is a Git LFS pointer, not the weights: run `git lfs pull` in its folder."
            )
    try:
        with safe_open(path, framework="pt", device="cpu") as tensors:
            return {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is damaged or truncated ({error}): fetch it again."
        ) from None


def read_tensors(
    paths: Sequence[Path], expected: Mapping[str, Shape], dtype: torch.dtype
) -> dict[str, Tensor]:
    """Read exactly the expected tensors from files, memory-mapped, floating ones as `dtype`.

    expected: key -> shape. A tensor that already has the dtype is not copied, but for weights of
    convolutions, which come in the layout that `engine.models.kernels` wants on a processor.
    Raises `CheckpointError` for a damaged file and for missing, unexpected or misshapen tensors.
    """
    found: dict[str, Shape] = {}
    for path in paths:
        for key, shape in check_file(path).items():
            name = current_name(key)
            if name in found:
                raise CheckpointError(f"{path} holds {name} a second time: fetch it again.")
            found[name] = shape
    _compare(paths[0], expected, found)
    tensors: dict[str, Tensor] = {}
    for path in paths:
        with safe_open(path, framework="pt", device="cpu") as file:
            for key in file.keys():
                name = current_name(key)
                if len(found[name]) == 4:
                    tensors[name] = _read_convolution(path, key, dtype)
                else:
                    tensors[name] = _cast(file.get_tensor(key), dtype)
    return tensors


def write_weights(
    folder: Path,
    stem: str,
    tensors: Mapping[str, Tensor],
    variant: str | None = None,
    max_shard_size: int | str = MAX_SHARD_SIZE,
) -> None:
    """Write tensors as one safetensors file, or as shards with an index where that is too large.

    max_shard_size: bytes, or a text such as "5GB". One tensor is never divided.
    Weights of the same variant that were in the folder are replaced, other variants stay.
    """
    if variant is not None and not re.fullmatch(r"\w+", variant):
        raise EngineError(f"variant is {variant!r}: letters and digits are needed, such as 'fp16'.")
    split = split_torch_state_dict_into_shards(
        dict(tensors),
        filename_pattern=weights_name(stem, variant, "{suffix}"),
        max_shard_size=max_shard_size,
    )
    folder.mkdir(parents=True, exist_ok=True)
    before = stored_weights(Folder(folder).names(""), stem, variant)
    for name, keys in split.filename_to_tensors.items():
        write_tensors(folder / name, {key: tensors[key] for key in keys})
    written = set(split.filename_to_tensors)
    if split.is_sharded:
        index = weights_index_name(stem, variant)
        places = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        (folder / index).write_text(json.dumps(places, indent=2) + "\n", encoding="utf-8")
        written.add(index)
    for name in before - written:
        (folder / name).unlink()


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to a safetensors file, in the metadata that other readers expect.

    The file takes its name when it is whole: the tensors may be mapped from the one it replaces.
    """
    partial = path.with_name(path.name + ".partial")
    save_file(
        {key: tensor.contiguous() for key, tensor in tensors.items()}, partial, {"format": "pt"}
    )
    partial.replace(path)


def current_name(key: str) -> str:
    """The name that a tensor has today."""
    old = OLD_KEY.fullmatch(key)
    return f"{old[1]}{NEW_NAMES[old[2]]}{old[3]}" if old else key


def _read_convolution(path: Path, key: str, dtype: torch.dtype) -> Tensor:
    """A copy with channels last, from a mapping of its own: its pages go when it has been read."""
    with safe_open(path, framework="pt", device="cpu") as file:
        tensor = file.get_tensor(key)
    return tensor.to(dtype, memory_format=torch.channels_last)


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _compare(path: Path, expected: Mapping[str, Shape], found: Mapping[str, Shape]) -> None:
    missing = sorted(expected.keys() - found.keys())
    unexpected = sorted(found.keys() - expected.keys())
    if missing or unexpected:
        raise CheckpointError(
            f"{path} does not fit its configuration: "
            f"{len(missing)} tensors are missing (first: {', '.join(missing[:3]) or 'none'}), "
            f"{len(unexpected)} are unexpected (first: {', '.join(unexpected[:3]) or 'none'})."
        )
    for key, shape in expected.items():
        if found[key] != shape:
            raise CheckpointError(
                f"{path}: {key} has the shape {list(found[key])}, "
                f"its configuration asks for {list(shape)}."
            )
