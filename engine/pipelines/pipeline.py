"""What all pipelines share: components by name, loading, saving, devices."""

import inspect
import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias, cast

import torch
from PIL import Image
from torch import nn

from engine.checkpoints.components import kind_of, load_component, save_component
from engine.checkpoints.layout import INDEX_NAME
from engine.checkpoints.repository import Hub, fetch_parts, open_source, require_safetensors
from engine.checkpoints.weights import MAX_SHARD_SIZE, weights_dtype
from engine.config import FORMAT_VERSION
from engine.errors import EngineError, RequestError
from engine.neutral import check_neutral, without_hints
from engine.outputs import keyed
from engine.pipelines.control import Control
from engine.pipelines.denoise import Progress
from engine.pipelines.plan import components_of, fits, make_plan, pipeline_class
from engine.pipelines.request import Request
from engine.pipelines.tasks import class_for

__all__ = ["NO_PICTURES", "DiffusionPipeline", "Pictures", "PipelineOutput"]

Pictures: TypeAlias = Mapping[str, Image.Image]
"""Pictures by the field of a `Request` that names them."""
NO_PICTURES: Pictures = {}


@keyed
class PipelineOutput(NamedTuple):
    """images: pictures, or an array or tensor (B, ...) as the output type asked for."""

    images: Any


class DiffusionPipeline:
    """Components that make pictures together. Arguments of `__init__` are the components.

    Calling a pipeline runs `stream` to its end; `stream` itself yields a `Progress` after each
    call of the model and returns the output.
    """

    scheduler: Any

    def __init__(self, **components: Any) -> None:
        self._names = tuple(components)
        for name, component in components.items():
            setattr(self, name, component)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Path | str,
        *,
        variant: str | None = None,
        dtype: torch.dtype | None = None,
        torch_dtype: torch.dtype | None = None,
        use_safetensors: bool | None = None,
        revision: str | None = None,
        cache_dir: Path | str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        **components: Any,
    ) -> Self:
        """Load a checkpoint in the diffusers layout.

        `DiffusionPipeline` itself takes the class that the checkpoint's index names; a subclass
        takes itself, if the checkpoint has the components that it needs.

        pretrained_model_name_or_path: a folder, or "name/repository" on the Hub, of which only
        what this class needs is downloaded. variant: of the weights, such as "fp16"; components
        that lack it are taken as they are. dtype: float32 if not given; torch_dtype is its older
        name. revision, cache_dir, token, local_files_only: see
        `engine.checkpoints.repository.Hub`.
        components: ready ones by name, in place of the checkpoint's; None leaves one out. Beside
        them, what else diffusers takes, at its neutral value: see `engine.neutral`.
        Raises `CheckpointError` naming the file and what to do.
        """
        components = without_hints(components)
        require_safetensors(use_safetensors)
        dtype = weights_dtype(dtype, torch_dtype)
        hub = Hub(revision, cache_dir, token, local_files_only)
        source = open_source(pretrained_model_name_or_path, hub)
        folder = source.fetch([INDEX_NAME])
        kind = None if cls is DiffusionPipeline else cls
        plan = make_plan(folder, components, kind=kind)
        files = {part: kind_of(folder, part, spec).files for part, spec in plan.specs.items()}
        folder, variants = fetch_parts(source, files, variant)
        pipeline = plan.build(
            lambda part, spec: load_component(folder, part, spec, dtype, variants[part])
        )
        return cast(Self, pipeline)

    def save_pretrained(
        self,
        save_directory: Path | str,
        safe_serialization: bool = True,
        variant: str | None = None,
        max_shard_size: int | str = MAX_SHARD_SIZE,
        push_to_hub: bool = False,
    ) -> None:
        """Write all components and the index; diffusers reads the folder too.

        variant, max_shard_size: of the weights, as in `Model.save_pretrained`. The others are taken
        at their neutral value alone.
        """
        check_neutral(safe_serialization=safe_serialization, push_to_hub=push_to_hub)
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        for name, component in self.components.items():
            if component is not None:
                save_component(component, folder / name, variant, max_shard_size)
        (folder / INDEX_NAME).write_text(json.dumps(self._index(), indent=2) + "\n")

    @classmethod
    def from_pipe(cls, pipeline: "DiffusionPipeline", **components: Any) -> Self:
        """Make a pipeline of this class of another's components: the same objects, no copies.

        components: by name, in place of the other's, or that it lacks.
        Raises `RequestError` if one is missing, or does not fit the task.
        """
        given = pipeline.components | components
        parameters = components_of(cls)
        if unknown := components.keys() - parameters:
            raise RequestError(f"{cls.__name__} has no component {', '.join(sorted(unknown))}.")
        for name, parameter in parameters.items():
            if name not in given:
                if parameter.default is inspect.Parameter.empty:
                    raise RequestError(
                        f"{cls.__name__} needs a {name}, which a {type(pipeline).__name__} does "
                        f"not have: load a checkpoint that has one, or give it as {name}=..."
                    )
            elif not fits(given[name], parameter.annotation):
                raise RequestError(
                    f"{cls.__name__} takes {name} as {parameter.annotation.__name__}, and this "
                    f"one is a {type(given[name]).__name__}: choose another checkpoint."
                )
        made = cls(**{name: given[name] for name in parameters if name in given})
        made.check_components()
        return made

    def as_task(self, task: str) -> "DiffusionPipeline":
        """The pipeline for another task, a key of `TASKS`, with the same components.

        Raises `RequestError` as `from_pipe`, and for an unknown task.
        """
        return pipeline_class(class_for(task, type(self).__name__)).from_pipe(self)

    def check_components(self) -> None:
        """Raise a `RequestError` if the components do not fit the task."""

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

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move and cast every network, as `torch.nn.Module.to`; returns the pipeline."""
        for component in self.components.values():
            if isinstance(component, nn.Module):
                component.to(*args, **kwargs)
        return self

    def stream(self, *args: Any, **kwargs: Any) -> Generator[Progress, None, PipelineOutput]:
        """Run, yielding after each call of the model; returns the output."""
        raise NotImplementedError

    def stream_request(
        self, request: Request, control: Control | None = None, pictures: Pictures = NO_PICTURES
    ) -> Generator[Progress, None, PipelineOutput]:
        """Run a request: its scheduler is put in, and each image has a generator of its own.

        pictures: those that the request names, by field, as `open_picture` returns them.
        """
        raise NotImplementedError

    def size_of(self, request: Request) -> tuple[int, int]:
        """Width and height in pixels at which a request is drawn; raises `RequestError`."""
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
    name = type(component).__name__
    if type(component).__module__.partition(".")[0] == "transformers":
        # an image processor's name elsewhere, whichever library resizes for it
        return ["transformers", name.removesuffix("Pil")]
    return ["diffusers", name]
