"""Names that import their module on first use, so that `import engine` stays free of torch."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

__all__ = ["attach"]


def attach(
    package: str, names: dict[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` for a package whose names live in submodules.

    names: public name -> submodule, relative to the package ("DDIMScheduler" -> "ddim"). The
    submodules are found by their own names too, so that `import engine` is enough for
    `engine.schedulers`.
    """

    def getattr_(name: str) -> Any:
        if name not in names:
            if not name.startswith("_") and find_spec(f"{package}.{name}"):
                return import_module(f"{package}.{name}")
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{names[name]}"), name)

    def dir_() -> list[str]:
        return sorted(names)

    return getattr_, dir_, sorted(names)
