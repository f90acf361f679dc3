"""JSON files of checkpoints, which come from anywhere: bounded in size and depth."""

import json
from pathlib import Path
from typing import Any

from engine.errors import CheckpointError

__all__ = ["read_json"]

MAX_BYTES = 32 * 2**20
"""The largest that are published, tokenizers and lists of shards, have a tenth of it."""
MAX_DEPTH = 32


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a `CheckpointError` names the file and what is wrong with it."""
    if not path.exists():
        raise CheckpointError(f"{path} is missing: check that the folder is complete.")
    if not path.is_file():  # a pipe would be waited for, a device read without end
        raise CheckpointError(f"{path} is no file: check that the folder is complete.")
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES >> 20} MB")
        value = json.loads(text.decode())
        _check_depth(value)
    except (OSError, RecursionError, ValueError) as error:
        raise CheckpointError(f"{path} is not readable JSON ({error}): fetch it again.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds a {type(value).__name__}, not a JSON object.")
    return value


def _check_depth(value: Any) -> None:
    """Raise a `ValueError` for lists and objects within each other that others may stumble at."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for one in level for item in _items(one)]
        if not level:
            return
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def _items(value: Any) -> list[Any]:
    """What a list or an object holds, of lists and objects."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, dict | list)]
