"""What models, schedulers and pipelines return: named tuples that are read by key too."""

from typing import Any, TypeVar

__all__ = ["keyed"]

T = TypeVar("T", bound=tuple[Any, ...])


def keyed(cls: type[T]) -> type[T]:
    """Let `output["sample"]` read a field of a named tuple, as `output.sample` and `output[0]`."""

    def getitem(self: Any, key: Any) -> Any:
        if not isinstance(key, str):
            return tuple.__getitem__(self, key)
        if key not in self._fields:
            raise KeyError(f"{key!r}; there are: {', '.join(self._fields)}")
        return getattr(self, key)

    cls.__getitem__ = getitem  # type: ignore[method-assign]
    return cls
