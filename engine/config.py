"""The configuration of a component: frozen, JSON in and out, given keys apart from defaults."""

import functools
import inspect
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

from engine.checks import by_place, check_names, choice, within
from engine.errors import CheckpointError, EngineError

__all__ = [
    "FORMAT_VERSION",
    "Config",
    "Configured",
    "Tabled",
    "configured",
    "read_json",
]

F = TypeVar("F", bound=Callable[..., None])

FORMAT_VERSION = "0.42.1"
"""The version of the diffusers file layout that saved folders declare."""


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a `CheckpointError` names the file and what is wrong with it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing: check that the folder is complete.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is not readable JSON ({error}): fetch it again.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds a {type(value).__name__}, not a JSON object.")
    return value


def _freeze(value: Any) -> Any:
    """Lists and arrays become tuples and dictionaries read-only views, all the way down."""
    if hasattr(value, "tolist"):  # of numpy or torch, also its scalars
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_freeze(item) for item in value)
    if isinstance(value, Mapping):
        return MappingProxyType({key: _freeze(item) for key, item in value.items()})
    return value


def _thaw(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_thaw(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _thaw(item) for key, item in value.items()}
    return value


class Config(Mapping[str, Any]):
    """Read-only settings, by item and by attribute: `config["order"]`, `config.order`.

    values: all settings, defaults included. Lists are kept as tuples.
    given:  names of the settings that were given rather than defaulted.
    """

    __slots__ = ("_values", "given")
    _values: dict[str, Any]
    given: frozenset[str]

    def __init__(self, values: Mapping[str, Any], given: frozenset[str] | None = None) -> None:
        frozen = {key: _freeze(value) for key, value in values.items()}
        object.__setattr__(self, "_values", frozen)
        object.__setattr__(self, "given", frozenset(values) if given is None else given)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"no setting {name!r}; there are: {', '.join(self._values)}")
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError(f"a configuration is frozen: make a new one to change {name!r}")

    def __delattr__(self, name: str) -> None:
        raise TypeError(f"a configuration is frozen: {name!r} cannot be removed")

    def __reduce__(self) -> tuple[Any, ...]:
        return Config, (self.to_dict(), self.given)

    def __repr__(self) -> str:
        return f"Config({self.to_text()})"

    def to_dict(self) -> dict[str, Any]:
        """Return a copy in plain lists and dictionaries."""
        return {key: _thaw(value) for key, value in self._values.items()}

    def finite(self) -> dict[str, Any]:
        """Return a copy without the settings that JSON cannot say: infinities, each a default."""
        return {k: v for k, v in self.to_dict().items() if v not in (math.inf, -math.inf)}

    def to_text(self) -> str:
        """Return the settings as `to_json` does, whatever they are."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, default=repr)

    def to_json(self) -> str:
        """Return the settings as indented JSON, keys sorted; `EngineError` for a function."""
        for key, value in self._values.items():
            if callable(value):
                raise EngineError(
                    f"{key} is {value!r}, which JSON cannot say: save without it, from_config("
                    f"config, {key}=None), and give it again after loading."
                )
        return json.dumps(self.to_dict(), indent=2, sort_keys=True)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a JSON file; raises `CheckpointError`."""
        return cls(read_json(path))

    def save(self, path: Path) -> None:
        """Write the settings as a JSON file."""
        path.write_text(self.to_json() + "\n", encoding="utf-8")


def configured(init: F) -> F:
    """Record the arguments of `__init__` as the object's `config`, before the body runs."""
    signature = inspect.signature(init)
    parameters = signature.parameters.keys()

    @functools.wraps(init)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        extra = kwargs.pop("_unknown", {})
        extra |= {key: kwargs.pop(key) for key in kwargs.keys() & self.only.keys() - parameters}
        bound = signature.bind(self, *args, **kwargs)
        given = frozenset(bound.arguments) - {next(iter(bound.arguments))} | frozenset(extra)
        bound.apply_defaults()
        values = dict(list(bound.arguments.items())[1:])
        config = Config({**self.only, **values, **extra}, given)
        for key, supported in self.only.items():
            if config[key] != supported:
                raise CheckpointError(
                    f"{type(self).__name__}: {key} is {config[key]!r}, supported is only "
                    f"{supported!r}."
                )
        object.__setattr__(self, "_config", config)
        init(self, *args, **kwargs)

    return wrapper  # type: ignore[return-value]


class Configured:
    """A component that is built from a configuration and can write it down again.

    A subclass decorates `__init__` with `configured`. Keys of a JSON file that the class does not
    know stay in `config`, so that a round trip loses nothing.
    """

    config_name: ClassVar[str]
    only: ClassVar[Mapping[str, Any]] = {}
    """Published keys of which a single value is supported; they are taken as arguments too."""
    optional: ClassVar[frozenset[str]] = frozenset()
    """Keys that the class heeds where they are given, and has no default for."""
    _config: Config

    @classmethod
    def known_settings(cls) -> frozenset[str]:
        """The names that the class takes."""
        return frozenset(inspect.signature(cls.__init__).parameters) - {"self"}

    @property
    def config(self) -> Config:
        """The settings, frozen."""
        return self._config

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **overrides: Any) -> Self:
        """Build from settings, of this class or of a relative.

        Of a `Config` only the given keys count: the defaults of another class are not this one's.
        Its keys that the class does not know are kept; such overrides are an `EngineError`, and a
        `CheckpointError` is raised for a value that is not supported.
        """
        if not isinstance(config, Mapping):
            raise EngineError(
                f"{cls.__name__}.from_config was given {config!r}, which are no settings: read a "
                "folder or a repository with from_pretrained."
            )
        known = cls.known_settings()
        cls._check_names(overrides.keys() - cls.only.keys())
        given = config.given if isinstance(config, Config) else frozenset(config)
        values = {key: _thaw(_freeze(config[key])) for key in given} | overrides
        values = {key: value for key, value in values.items() if not key.startswith("_")}
        extra = {key: value for key, value in values.items() if key not in known}
        arguments = {key: value for key, value in values.items() if key in known}
        return cls(**arguments, **{"_unknown": extra})

    @classmethod
    def _check_names(cls, names: Iterable[str]) -> None:
        known = sorted(cls.known_settings() | cls.optional)
        check_names(f"setting of {cls.__name__}", sorted(names), known)

    def save_config(self, save_directory: Path | str) -> None:
        """Write `config_name` into a folder, in the diffusers layout."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        header = {"_class_name": type(self).__name__, "_diffusers_version": FORMAT_VERSION}
        Config(header | self.config.to_dict()).save(folder / self.config_name)


class Tabled(Configured):
    """A component whose settings are a table: a subclass adds only what differs from its base."""

    defaults: ClassVar[Mapping[str, Any]] = {}
    """The keys of this class, with their defaults."""
    choices: ClassVar[Mapping[str, Iterable[Any]]] = {}
    """What a key may be, where that is one of a few."""
    limits: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """The lowest and highest number that a key may be, as in `within`; None where it defaults."""
    positional: ClassVar[int] = 0
    """How many of the keys may be given by position."""
    keys: ClassVar[frozenset[str]]
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        line = [vars(base) for base in reversed(cls.__mro__)]
        cls.defaults = {k: v for base in line for k, v in base.get("defaults", {}).items()}
        cls.choices = {k: v for base in line for k, v in base.get("choices", {}).items()}
        cls.limits = {k: v for base in line for k, v in base.get("limits", {}).items()}
        cls.keys = frozenset(cls.defaults)
        either, named = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
        kinds = [either if n < cls.positional else named for n in range(len(cls.defaults))]
        defaults = zip(kinds, cls.defaults.items(), strict=True)
        keys = [inspect.Parameter(key, kind, default=value) for kind, (key, value) in defaults]
        cls.__signature__ = inspect.Signature(keys)

    def __init__(self, *given: Any, **settings: Any) -> None:
        """settings: any of `defaults`, the first `positional` by place or by name.

        Raises `EngineError` for one that means nothing.
        """
        extra = settings.pop("_unknown", {})
        self._check_names(settings)
        places = list(self.defaults)[: self.positional]
        settings = by_place(f"setting of {type(self).__name__}", given, places, settings, settings)
        settings |= extra
        self._config = Config({**self.defaults, **settings}, frozenset(settings))
        for key in self.keys & self.choices.keys():
            choice(key, self.config[key], self.choices[key])
        for key, default in self.defaults.items():
            value = self.config[key]
            if isinstance(default, bool):
                choice(key, value if isinstance(value, bool) else repr(value), (True, False))
            elif key in self.limits and (default is not None or value is not None):
                within(key, value, *self.limits[key])

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.config.to_text()}"

    def setting(self, key: str, default: Any) -> Any:
        """A key if this class has it: those that are kept for other classes do not count."""
        return self.config[key] if key in self.keys else default

    @classmethod
    def known_settings(cls) -> frozenset[str]:
        return cls.keys
