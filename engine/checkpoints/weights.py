"""Reading and writing weights: safetensors only, checked before a single value is used."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.errors import CheckpointError

__all__ = ["check_file", "read_tensors", "weight_file", "write_tensors"]

Shape = tuple[int, ...]
LFS_MARK = b"version https://git-lfs"
REFUSED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def weight_file(folder: Path, name: str) -> Path:
    """Return the safetensors file of a component, or say in a `CheckpointError` what is there."""
    path = folder / name
    if path.is_file():
        return path
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is missing: the checkpoint is not complete.")
    others = sorted(item.name for item in folder.iterdir() if item.suffix in REFUSED)
    if others:
        raise CheckpointError(
            f"{folder} has only {others[0]}, a format that can run code when it is opened. "
            f"Use a version of the model with {name}, or convert it where you trust it."
        )
    raise CheckpointError(f"{path} is missing: the checkpoint is not complete, fetch it again.")


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
    path: Path, expected: Mapping[str, Shape], dtype: torch.dtype
) -> dict[str, Tensor]:
    """Read exactly the expected tensors from a file, memory-mapped, floating ones as `dtype`.

    expected: key -> shape. A tensor that already has the dtype is not copied.
    Raises `CheckpointError` for a damaged file and for missing, unexpected or misshapen tensors.
    """
    _compare(path, expected, check_file(path))
    with safe_open(path, framework="pt", device="cpu") as tensors:
        return {key: _cast(tensors.get_tensor(key), dtype) for key in expected}


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to a safetensors file, in the metadata that other readers expect."""
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, {"format": "pt"})


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
