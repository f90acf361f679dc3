"""Which weights a checkpoint has: what its files hash to, and the revision that they came as."""

import hashlib
import re
from pathlib import Path
from typing import Any

from engine.checkpoints.components import CLASSES, component_files, read_index

__all__ = ["Provenance"]

COMMIT = re.compile(r"[0-9a-f]{40}")
DOWNLOADED = Path(".cache", "huggingface", "download", "model_index.json.metadata")
"""Where huggingface_hub notes the commit of what it downloads into a folder: in the first line."""


class Provenance:
    """Remembers what it has hashed, for as long as the files stay as they are.

    `of` may be called from any thread.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int, int], str] = {}

    def of(self, folder: Path) -> dict[str, Any]:
        """`weights`: for each safetensors file of the components of a checkpoint, by its place in
        the folder, the SHA-256; `revision`: the commit of the Hub, if it is known.

        Reads the files whole the first time. Raises CheckpointError, OSError.
        """
        _, specs = read_index(folder)
        files = {
            file
            for name, spec in specs.items()
            if spec and spec.cls in CLASSES  # no run reads the files of another
            for file in component_files(folder, name, spec)
            if file.suffix == ".safetensors"
        }
        hashes = {file.relative_to(folder).as_posix(): self._hash(file) for file in sorted(files)}
        revision = _revision(folder)
        return {"weights": hashes, **({"revision": revision} if revision else {})}

    def _hash(self, file: Path) -> str:
        about = file.stat()
        key = file.resolve(), about.st_size, about.st_mtime_ns
        if key not in self._known:
            with file.open("rb") as opened:
                self._known[key] = hashlib.file_digest(opened, "sha256").hexdigest()
        return self._known[key]


def _revision(folder: Path) -> str:
    place = folder.resolve()
    if place.parent.name == "snapshots" and COMMIT.fullmatch(place.name):
        return place.name  # the cache that Hugging Face libraries share
    try:
        with (folder / DOWNLOADED).open(encoding="utf-8", errors="replace") as file:
            line = file.readline(41).strip()
    except OSError:
        return ""
    return line if COMMIT.fullmatch(line) else ""
