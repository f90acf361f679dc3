"""The header of a safetensors file: which tensors it has, with none of their numbers read."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from engine.errors import CheckpointError

__all__ = ["Shape", "read_header"]

Shape = tuple[int, ...]

LFS_MARK = b"version https://git-lfs"


def read_header(path: Path) -> dict[str, Shape]:
    """Read what a file says of its tensors: key -> shape; a `CheckpointError` names the damage."""
    with path.open("rb") as file:
        if file.read(len(LFS_MARK)) == LFS_MARK:
            raise CheckpointError(
                f"{path} is a Git LFS pointer, not the weights: run `git lfs pull` in its folder."
            )
    try:
        with safe_open(path, framework="np") as tensors:
            return {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is damaged or truncated ({error}): fetch it again."
        ) from None
