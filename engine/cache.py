"""Components kept in memory between runs, the least recently used given up first.

Two checkpoints with the same files, byte for byte, share what is made of them.
"""

import filecmp
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import nn

from engine.checkpoints.components import Spec, component_files, load_component, read_index
from engine.pipelines.pipeline import DiffusionPipeline
from engine.pipelines.plan import make_plan

__all__ = ["ComponentCache"]


@dataclass(frozen=True)
class Key:
    """What makes a component the same one: place, files as they are now, device and dtype.

    stamp: of each file path, size in bytes and time of the last change.
    """

    folder: Path
    name: str
    spec: Spec
    stamp: tuple[tuple[Path, int, int], ...]
    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True)
class Entry:
    component: Any
    bytes: int


class ComponentCache:
    """Builds pipelines of components that are loaded once and shared.

    budget: bytes of weights to keep. The components of the newest pipeline always stay, and those
    of one that failed or was stopped as it was loaded, until the next is asked for.
    All may be called from any thread; one that loads has the others that would load wait.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.loads = 0
        self._loading = Lock()
        self._entries: dict[Key, Entry] = {}  # in the order of their last use
        self._newest: set[Key] = set()  # of the latest pipeline that was loaded whole
        self._asked: set[Key] = set()  # of the latest that was to be

    @property
    def bytes(self) -> int:
        """Bytes of all weights kept; what checkpoints share counts once."""
        return sum({id(entry): entry.bytes for entry in list(self._entries.values())}.values())

    def pipeline(
        self,
        folder: Path,
        task: str,
        device: torch.device | str,
        dtype: torch.dtype,
        on_load: Callable[[str], None] = lambda name: None,
    ) -> DiffusionPipeline:
        """Return a new pipeline over the folder's components, loading only those not kept.

        on_load is called with the name of each component before it is loaded.
        Raises `CheckpointError`, and `RequestError` for a task that the checkpoint cannot do; what
        was loaded before the error stays.
        """
        used = set[Key]()

        def load(name: str, spec: Spec) -> Any:
            key = _key(folder, name, spec, device, dtype)
            used.add(key)
            return self._component(key, on_load)

        with self._loading:
            self._asked = used
            try:
                pipeline = make_plan(folder, {}, task=task).build(load)
                self._newest = used
            finally:  # or one model after the other whose load is stopped would fill the memory
                self._evict(self._newest | used)
        return pipeline

    def components(
        self, folder: Path, names: Sequence[str], device: torch.device | str, dtype: torch.dtype
    ) -> list[Any]:
        """Return a few of a folder's components, None for one that it has not.

        Nothing of the newest pipeline is given up for them. Raises `CheckpointError`.
        """
        with self._loading:
            _, specs = read_index(folder)
            keys = {
                name: _key(folder, name, spec, device, dtype)
                for name in names
                if (spec := specs.get(name))
            }
            found = {name: self._component(key) for name, key in keys.items()}
            self._evict(self._newest | {*keys.values()})
            return [found.get(name) for name in names]

    def shrink(self) -> bool:
        """Give up all but the pipeline asked for last, and that too if it was not loaded whole.

        Returns whether the weights of others were among it.
        """
        with self._loading:
            before = self.bytes
            for key in self._entries.keys() - self._asked:
                del self._entries[key]
            freed = self.bytes < before
            if not self._asked <= self._entries.keys():
                self._entries.clear()
            return freed

    def figures(self) -> dict[str, Any]:
        """Describe what is kept, fit for JSON; `id` tells whether an object is still the same."""
        components = [
            {
                "model": key.folder.name,
                "name": key.name,
                "bytes": entry.bytes,
                "id": id(entry.component),
                "device": str(key.device),
                "dtype": str(key.dtype).removeprefix("torch."),
            }
            for key, entry in list(self._entries.items())
        ]
        return {
            "components": components,
            "bytes": self.bytes,
            "budget": self.budget,
            "loads": self.loads,
        }

    def _component(self, key: Key, on_load: Callable[[str], None] = lambda name: None) -> Any:
        entry = self._entries.get(key) or self._equal(key) or self._load(key, on_load)
        self._entries.pop(key, None)
        self._entries[key] = entry
        return entry.component

    def _equal(self, key: Key) -> Entry | None:
        """What is kept of the same files of another checkpoint."""
        return next((entry for one, entry in self._entries.items() if _same(one, key)), None)

    def _load(self, key: Key, on_load: Callable[[str], None]) -> Entry:
        on_load(key.name)
        component = load_component(key.folder, key.name, key.spec, key.dtype)
        if isinstance(component, nn.Module):
            component.to(key.device)
        self.loads += 1
        return Entry(component, _bytes(component))

    def _evict(self, keep: set[Key]) -> None:
        current = {(key.folder, key.name): key.stamp for key in keep}
        for key in list(self._entries):
            # Files that changed on disk make the old component useless at once.
            stale = current.get((key.folder, key.name), key.stamp) != key.stamp
            if key not in keep and (stale or self.bytes > self.budget):
                del self._entries[key]


def _key(
    folder: Path, name: str, spec: Spec, device: torch.device | str, dtype: torch.dtype
) -> Key:
    stamp = _stamp(component_files(folder, name, spec))
    return Key(folder.resolve(), name, spec, stamp, torch.device(device), dtype)


def _stamp(files: Iterable[Path]) -> tuple[tuple[Path, int, int], ...]:
    stats = [(file, file.stat()) for file in files]
    return tuple((file, stat.st_size, stat.st_mtime_ns) for file, stat in stats)


def _same(kept: Key, key: Key) -> bool:
    """Whether two components are of the same class and files, whatever their place.

    Bytes are read only where names and sizes agree, and the kept files are as they were.
    """

    def kind(key: Key) -> tuple[object, ...]:
        files = [(path.name, size) for path, size, _ in key.stamp]
        return key.spec, key.device, key.dtype, files

    if kind(kept) != kind(key):
        return False
    try:
        return _stamp(path for path, *_ in kept.stamp) == kept.stamp and all(
            filecmp.cmp(one[0], other[0], shallow=False)
            for one, other in zip(kept.stamp, key.stamp, strict=True)
        )
    except OSError:  # the kept ones are gone
        return False


def _bytes(component: Any) -> int:
    if not isinstance(component, nn.Module):
        return 0
    tensors = [*component.parameters(), *component.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
