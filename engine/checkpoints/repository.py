"""Where the files of a checkpoint come from: a folder here, or a repository on the Hub."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.checkpoints.layout import (
    INDEX_NAME,
    Files,
    pick_weights,
    weight_files,
    weights_of_variants,
)
from engine.errors import CheckpointError

__all__ = [
    "Folder",
    "Hub",
    "Source",
    "fetch_parts",
    "locate",
    "open_source",
    "part_folder",
    "require_safetensors",
]

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hub:
    """How to ask the Hub.

    revision: branch, tag or commit; None is the default branch. cache_dir: None is the cache that
    all libraries share. token: None is the one that was saved by `hf auth login`, False is none.
    local_files_only: take what is in the cache and ask nobody.
    """

    revision: str | None = None
    cache_dir: Path | str | None = None
    token: str | bool | None = None
    local_files_only: bool = False


class Source(Protocol):
    """The files of a checkpoint. label: what it is called in errors."""

    @property
    def label(self) -> str: ...

    def names(self, folder: str) -> set[str]:
        """The files directly in one of its folders; "" is the root, none if it is not there."""
        ...

    def fetch(self, files: Iterable[str]) -> Path:
        """Have files at hand, named by their paths with slashes; returns the root here."""
        ...


@dataclass(frozen=True)
class Folder:
    """A source that is here already."""

    path: Path

    @property
    def label(self) -> str:
        return str(self.path)

    def names(self, folder: str) -> set[str]:
        place = self.path / folder
        return (
            {item.name for item in place.iterdir() if item.is_file()} if place.is_dir() else set()
        )

    def fetch(self, files: Iterable[str]) -> Path:
        return self.path


def open_source(name: Path | str, hub: Hub) -> Source:
    """Find a checkpoint: a folder, or else "name/repository" on the Hub at one commit.

    Raises `CheckpointError` for what is neither, and for what the Hub refuses.
    """
    folder = Path(name)
    if folder.is_dir():
        return Folder(folder)
    if not isinstance(name, str) or not HUB_NAME.fullmatch(name):
        raise CheckpointError(
            f"{name} is not a folder: give one with a {INDEX_NAME} or a config.json in it, or the "
            "name of a repository on the Hub, as 'name/repository'."
        )
    # imported for those alone who load from the Hub: it takes a while
    from engine.checkpoints.hub import Snapshot

    return Snapshot(name, hub)


def place(source: Source, name: str, files: Files) -> str:
    """The folder of a component: its own, or the root where a flat checkpoint has no other."""
    return "" if not source.names(name) and files.config in source.names("") else name


def part_folder(folder: Path, name: str, files: Files) -> Path:
    """The folder of a component in a checkpoint that is here."""
    return folder / place(Folder(folder), name, files)


def fetch_parts(
    source: Source, parts: Mapping[str, Files], variant: str | None = None
) -> tuple[Path, dict[str, str | None]]:
    """Have the files of components at hand, and of each the weights of one variant only.

    A component that has none of the variant is taken by default, if another one has it.
    Returns the root, and the variant of each component. Raises `CheckpointError`, before any
    weights are fetched if files are missing.
    """
    variants = {name: _variant(source, name, files, variant) for name, files in parts.items()}
    if variant not in variants.values():
        variants = dict.fromkeys(parts, variant)  # so that the first one says what there is
    small, weights = list[str](), list[tuple[str, str]]()
    for name, files in parts.items():
        folder = place(source, name, files)
        names, where = source.names(folder), _join(source.label, folder)
        if files.config not in names:
            path = _join(where, files.config)
            raise CheckpointError(f"{path} is missing: the checkpoint is not complete.")
        small += [_join(folder, item) for item in files.small(names)]
        if files.weights is not None:
            picked = pick_weights(names, files.weights, variants[name], where)
            weights.append((folder, picked))
    indices = [_join(folder, name) for folder, name in weights if name.endswith(".json")]
    root = source.fetch(small + indices)
    large = [
        _join(folder, file)
        for folder, name in weights
        for file in weight_files(root / folder, name, source.names(folder))
    ]
    return source.fetch(large) if large else root, variants


def locate(
    name: Path | str, subfolder: str | None, files: Files, hub: Hub, variant: str | None = None
) -> Path:
    """Have one component at hand; returns its folder. Raises `CheckpointError`."""
    source, part = open_source(name, hub), (subfolder or "").strip("/")
    root, _ = fetch_parts(source, {part: files}, variant)
    return root / place(source, part, files)


def require_safetensors(use_safetensors: bool | None) -> None:
    """Refuse the wish for other formats with a `CheckpointError`."""
    if use_safetensors is not None and not use_safetensors:
        raise CheckpointError(
            "use_safetensors=False is refused: other formats can run code when they are opened. "
            "Leave it out, and use a version of the model that has safetensors."
        )


def _variant(source: Source, name: str, files: Files, variant: str | None) -> str | None:
    """The variant asked for, or the default one where this component has only that."""
    if variant is None or files.weights is None:
        return None
    found = weights_of_variants(source.names(place(source, name, files)), files.weights)
    if variant not in found and None in found:
        log.info("%s has no weights of the variant %s: the default is taken.", name, variant)
        return None
    return variant


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name
