"""Which class a checkpoint becomes, and which of its components that takes."""

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from engine.checkpoints.components import CLASSES, Spec, read_index
from engine.checkpoints.layout import INDEX_NAME
from engine.checkpoints.single_file import model_index
from engine.config import Configured
from engine.errors import CheckpointError, RequestError
from engine.pipelines.tasks import ALIASES, PIPELINES, TASKS, tasks_of

if TYPE_CHECKING:
    from engine.pipelines.pipeline import DiffusionPipeline

__all__ = ["Plan", "components_of", "fits", "make_plan", "pipeline_class"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """kind: class of the pipeline. specs: components to load. ready: what needs no loading."""

    kind: "type[DiffusionPipeline]"
    specs: dict[str, Spec]
    ready: dict[str, Any]

    def without(self, names: Sequence[str]) -> Self:
        """The plan without these components, as far as the class can do without them."""
        optional = {n for n, one in components_of(self.kind).items() if one.default is None}
        left_out = optional & {*names}
        specs = {name: spec for name, spec in self.specs.items() if name not in left_out}
        return replace(self, specs=specs, ready=self.ready | dict.fromkeys(left_out))

    def build(self, load: Callable[[str, Spec], Any]) -> "DiffusionPipeline":
        """Load what is to be loaded, each by its name, and put it together.

        What has no weights comes first: an error in it is told before memory is filled.
        """
        ordered = sorted(self.specs.items(), key=lambda part: _has_weights(part[1]))
        loaded = {name: load(name, spec) for name, spec in ordered}
        return self.kind(**loaded, **self.ready)


def _has_weights(spec: Spec) -> bool:
    return spec.cls in CLASSES and CLASSES[spec.cls].files.weights is not None


def make_plan(
    folder: Path,
    given: Mapping[str, Any],
    *,
    task: str | None = None,
    kind: "type[DiffusionPipeline] | None" = None,
) -> Plan:
    """Read from a checkpoint's index what its pipeline is made of.

    folder: of the checkpoint, or a single file that is one.
    given: components that the caller has, or leaves out by None; other names are ignored.
    task: take the class that does this task with such a checkpoint; kind: take this class.
    Raises `CheckpointError` for an unknown class and for components that the index lacks or that
    do not fit, `RequestError` for a task that the checkpoint cannot do.
    """
    class_name, specs = read_index(folder)
    class_name = ALIASES.get(class_name, class_name)
    kind = kind or _class_for(folder, class_name, task)
    parameters = components_of(kind)
    for name in given.keys() - parameters:
        log.warning("%s is no component of %s: ignored.", name, kind.__name__)
    wanted, ready = dict[str, Spec](), dict[str, Any]()
    for name, parameter in parameters.items():
        spec = specs.get(name)
        if name in given:
            ready[name] = given[name]
        elif parameter.annotation is bool:
            ready[name] = _setting(folder, name, parameter.default)
        elif spec is not None:
            _check_class(folder, kind, name, spec, parameter.annotation)
            wanted[name] = spec
        elif parameter.default is None or name in kind.optional:
            ready[name] = None
        elif folder.is_file():
            raise CheckpointError(
                f"{folder} holds no {name}, which {kind.__name__} needs: give one as {name}=..."
            )
        else:
            raise CheckpointError(
                f"{folder / INDEX_NAME} names no {name}, which {kind.__name__} needs: "
                f"the checkpoint is not complete, or is one for another class than {class_name}."
            )
    return Plan(kind, wanted, ready)


def _class_for(folder: Path, class_name: str, task: str | None) -> "type[DiffusionPipeline]":
    if class_name not in PIPELINES:
        raise CheckpointError(
            f"{folder / INDEX_NAME}: pipeline class {class_name[:100]!r} is not supported; "
            f"supported are: {', '.join(PIPELINES)}."
        )
    if task is not None and task not in tasks_of(class_name):
        raise RequestError(
            f"task is {task!r}, but {folder.name} is a {class_name}, "
            f"which can do: {', '.join(tasks_of(class_name))}."
        )
    return pipeline_class(class_name if task is None else TASKS[task][class_name])


def pipeline_class(name: str) -> "type[DiffusionPipeline]":
    """The class of one of `PIPELINES`."""
    from engine import pipelines

    cls: type[DiffusionPipeline] = getattr(pipelines, name)
    return cls


def components_of(kind: "type[DiffusionPipeline]") -> dict[str, inspect.Parameter]:
    """The components and settings that a class takes, with what is said of them."""
    return dict(list(inspect.signature(kind.__init__).parameters.items())[1:])


def fits(component: Any, annotation: Any) -> bool:
    """Whether a component is what a class takes; one that is left out is."""
    return component is None or not _ours(annotation) or isinstance(component, annotation)


def _setting(folder: Path, name: str, default: bool) -> bool:
    value = model_index(folder).get(name, default)
    if not isinstance(value, bool):
        raise CheckpointError(f"{folder / INDEX_NAME}: {name} is {value!r}, not true or false.")
    return value


def _ours(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Configured)


def _check_class(folder: Path, kind: type, name: str, spec: Spec, annotation: Any) -> None:
    """A network of another class would load, and fail or draw noise at its first call."""
    if not (_ours(annotation) and spec.cls in CLASSES):
        return
    from engine import models

    found = getattr(models, spec.cls, type)
    if not issubclass(found, annotation):
        raise CheckpointError(
            f"{kind.__name__} takes {name} as {annotation.__name__}, but {folder / INDEX_NAME} "
            f"names {spec.cls}: load it with DiffusionPipeline.from_pretrained."
        )
