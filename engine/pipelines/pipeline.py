"""What all pipelines share: components by name, loading, saving, devices."""

import inspect
import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from PIL import Image
from torch import nn

from engine.checkpoints.components import (
    INDEX_NAME,
    Spec,
    load_component,
    read_index,
    save_component,
)
from engine.config import FORMAT_VERSION
from engine.errors import CheckpointError, EngineError, RequestError
from engine.pipelines.control import Control
from engine.pipelines.denoise import Progress
from engine.pipelines.request import Request
from engine.pipelines.tasks import PIPELINES, TASKS, tasks_of

__all__ = ["DiffusionPipeline", "PipelineOutput", "assemble"]


@dataclass(frozen=True)
class PipelineOutput:
    """images: pictures, or an array or tensor (B, ...) as the output type asked for."""

    images: Any


def pipeline_class(name: str) -> type["DiffusionPipeline"]:
    """Find a pipeline class by the name in a `model_index.json`; raises `CheckpointError`."""
    if name not in PIPELINES:
        raise CheckpointError(
            f"pipeline class {name!r} is not supported; supported are: {', '.join(PIPELINES)}."
        )
    from engine import pipelines

    cls: type[DiffusionPipeline] = getattr(pipelines, name)
    return cls


def assemble(
    folder: Path,
    load: Callable[[str, Spec], Any],
    given: Mapping[str, Any],
    task: str | None = None,
) -> "DiffusionPipeline":
    """Build the pipeline that a folder's index names, loading each component not given.

    task: take the class that does this task with such a checkpoint instead.
    Raises `CheckpointError` for an unknown class and for a component that the index lacks,
    `RequestError` for a task that the checkpoint cannot do.
    """
    class_name, specs = read_index(folder)
    kind = pipeline_class(class_name)
    if task is not None:
        if task not in tasks_of(class_name):
            raise RequestError(
                f"task is {task!r}, but {folder.name} is a {class_name}, "
                f"which can do: {', '.join(tasks_of(class_name))}."
            )
        kind = pipeline_class(TASKS[task][class_name])
    components = {}
    for name, parameter in list(inspect.signature(kind.__init__).parameters.items())[1:]:
        spec = specs.get(name)
        if name in given:
            components[name] = given[name]
        elif spec is not None:
            components[name] = load(name, spec)
        elif parameter.default is None:
            components[name] = None
        else:
            raise CheckpointError(
                f"{folder / INDEX_NAME} names no {name}, which {class_name} needs: "
                f"the checkpoint is not complete."
            )
    return kind(**components)


class DiffusionPipeline:
    """Components that make pictures together. Arguments of `__init__` are the components.

    Calling a pipeline runs `stream` to its end; `stream` itself yields a `Progress` after each
    call of the model and returns the output.
    """

    def __init__(self, **components: Any) -> None:
        self._names = tuple(components)
        for name, component in components.items():
            setattr(self, name, component)

    @classmethod
    def from_pretrained(
        cls,
        folder: Path | str,
        *,
        torch_dtype: torch.dtype = torch.float32,
        use_safetensors: bool = True,
        **components: Any,
    ) -> "DiffusionPipeline":
        """Load a folder in the diffusers layout, by the class that its index names.

        components: ready ones by name, in place of the folder's; None leaves one out.
        Raises `CheckpointError` naming the file and what to do.
        """
        if not use_safetensors:
            raise CheckpointError("use_safetensors=False is refused: other formats can run code.")
        return assemble(
            Path(folder),
            lambda name, spec: load_component(Path(folder), name, spec, torch_dtype),
            components,
        )

    def save_pretrained(self, folder: Path | str) -> None:
        """Write all components and the index; diffusers reads the folder too."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, component in self.components.items():
            if component is not None:
                save_component(component, folder / name)
        (folder / INDEX_NAME).write_text(json.dumps(self._index(), indent=2) + "\n")

    @property
    def components(self) -> dict[str, Any]:
        """The components by name."""
        return {name: getattr(self, name) for name in self._names}

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self._network().device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the networks' weights."""
        return self._network().dtype

    def to(self, *target: Any) -> Self:
        """Move and cast every network, as `torch.nn.Module.to`; returns the pipeline."""
        for component in self.components.values():
            if isinstance(component, nn.Module):
                component.to(*target)
        return self

    def stream(self, *args: Any, **kwargs: Any) -> Generator[Progress, None, PipelineOutput]:
        """Run, yielding after each call of the model; returns the output."""
        raise NotImplementedError

    def stream_request(
        self, request: Request, control: Control | None = None
    ) -> Generator[Progress, None, PipelineOutput]:
        """Run a request: its scheduler is put in, and each image has a generator of its own."""
        raise NotImplementedError

    def preview(self, progress: Progress) -> list[Image.Image]:
        """Show what the model believes now as small pictures, one an image, cheaply."""
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> PipelineOutput:
        """Run to the end; takes what `stream` takes."""
        run = self.stream(*args, **kwargs)
        while True:
            try:
                next(run)
            except StopIteration as stop:
                output: PipelineOutput = stop.value
                return output

    def __repr__(self) -> str:
        return f"{type(self).__name__} {json.dumps(self._index(), indent=2)}"

    def _network(self) -> Any:
        for component in self.components.values():
            if isinstance(component, nn.Module):
                return component
        raise EngineError(f"{type(self).__name__} has no network among its components.")

    def _index(self) -> dict[str, Any]:
        header = {"_class_name": type(self).__name__, "_diffusers_version": FORMAT_VERSION}
        return header | {name: _entry(part) for name, part in self.components.items()}


def _entry(component: Any) -> list[str | None]:
    if component is None:
        return [None, None]
    library = type(component).__module__.partition(".")[0]
    return ["transformers" if library == "transformers" else "diffusers", type(component).__name__]
