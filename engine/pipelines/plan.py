"""Which class a checkpoint becomes, and which of its components that takes."""

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.checkpoints.components import CLASSES, Spec, read_index
from engine.checkpoints.layout import INDEX_NAME
from engine.config import Configured
from engine.errors import CheckpointError, RequestError
from engine.pipelines.tasks import ALIASES, PIPELINES, TASKS, tasks_of

if TYPE_CHECKING:
    from engine.pipelines.pipeline import DiffusionPipeline

__all__ = ["Plan", "components_of", "fits", "make_plan", "pipeline_class"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """kind: class of the pipeline. specs: components to load. ready: those that need no loading."""

    kind: "type[DiffusionPipeline]"
    specs: dict[str, Spec]
    ready: dict[str, Any]

    def build(self, load: Callable[[str, Spec], Any]) -> "DiffusionPipeline":
        """Load what is to be loaded, each by its name, and put it together."""
        loaded = {name: load(name, spec) for name, spec in self.specs.items()}
        return self.kind(**loaded, **self.ready)


def make_plan(
    folder: Path,
    given: Mapping[str, Any],
    *,
    task: str | None = None,
    kind: "type[DiffusionPipeline] | None" = None,
) -> Plan:
    """Read from a checkpoint's index what its pipeline is made of.

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
        elif spec is not None:
            _check_class(folder, kind, name, spec, parameter.annotation)
            wanted[name] = spec
        elif parameter.default is None:
            ready[name] = None
        else:
            raise CheckpointError(
                f"{folder / INDEX_NAME} names no {name}, which {kind.__name__} needs: "
                f"the checkpoint is not complete, or is one for another class than {class_name}."
            )
    return Plan(kind, wanted, ready)


def _class_for(folder: Path, class_name: str, task: str | None) -> "type[DiffusionPipeline]":
    if class_name not in PIPELINES:
        raise CheckpointError(
            f"pipeline class {class_name!r} is not supported; "
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
    """The components that a class takes, with what is said of them."""
    return dict(list(inspect.signature(kind.__init__).parameters.items())[1:])


def fits(component: Any, annotation: Any) -> bool:
    """Whether a component is what a class takes; one that is left out is."""
    return component is None or not _ours(annotation) or isinstance(component, annotation)


def _ours(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Configured)


def _check_class(folder: Path, kind: type, name: str, spec: Spec, annotation: Any) -> None:
    """A network of another class would load, and fail or draw noise at its first call."""
    if _ours(annotation) and spec.cls in CLASSES and spec.cls != annotation.__name__:
        raise CheckpointError(
            f"{kind.__name__} takes {name} as {annotation.__name__}, but {folder / INDEX_NAME} "
            f"names {spec.cls}: load it with DiffusionPipeline.from_pretrained."
        )
