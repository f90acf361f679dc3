"""What pipelines share that walk from drawn noise to pictures."""

from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor

from engine.errors import EngineError, RequestError
from engine.images import to_pil
from engine.noise import Generators, draw_noise
from engine.pipelines.control import Control
from engine.pipelines.denoise import Progress
from engine.pipelines.pipeline import DiffusionPipeline, PipelineOutput
from engine.pipelines.request import Request
from engine.pipelines.tasks import TASKS
from engine.schedulers.registry import scheduler_named

__all__ = ["SamplingPipeline"]


class SamplingPipeline(DiffusionPipeline):
    """A subclass writes `stream` in the words of its task, and says what a request means there."""

    unet: Any
    scheduler: Any

    def arguments(self, request: Request) -> dict[str, Any]:
        """The arguments of `stream` that are of this task: neither steps nor draws.

        Raises `RequestError` for what this checkpoint cannot do.
        """
        raise NotImplementedError

    def stream_request(
        self, request: Request, control: Control | None = None
    ) -> Generator[Progress, None, PipelineOutput]:
        request.check()
        name = type(self).__name__
        if name not in TASKS[request.task].values():
            own = ", ".join(task for task, classes in TASKS.items() if name in classes.values())
            raise RequestError(f"task is {request.task!r}, but a {name} does: {own}.")
        arguments = self.arguments(request)
        if request.scheduler:
            self.scheduler = scheduler_named(request.scheduler, self.scheduler.config)
        seeds = range(request.seed, request.seed + request.count)
        return self.stream(
            **arguments,
            num_inference_steps=request.steps,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            control=control,
        )

    def _check(self, steps: int, output_type: str, known: Sequence[str]) -> None:
        if output_type not in known:
            names = ", ".join(map(repr, known))
            raise RequestError(f"output_type is {output_type!r}; known: {names}.")
        if steps < 1:
            raise RequestError(f"num_inference_steps is {steps}: it must be 1 or more.")

    def _noise(
        self, shape: tuple[int, ...], generator: Generators, latents: Tensor | None = None
    ) -> Tensor:
        """Noise (B, C, h, w) in float32 for the first timestep, from unit noise drawn or given."""
        if isinstance(generator, list) and len(generator) != shape[0]:
            raise RequestError(f"generator has {len(generator)} entries for {shape[0]} images.")
        if latents is None:
            latents = draw_noise(shape, generator, self.device)
        elif tuple(latents.shape) != shape:
            raise RequestError(
                f"latents has the shape {list(latents.shape)}, needed: {list(shape)}."
            )
        return latents.to(self.device, torch.float32) * self.scheduler.init_noise_sigma

    def _pictures(self, values: Tensor, output_type: str) -> Any:
        """Pictures of values (B, 3, H, W) in -1..1, in the form that the output type asks for."""
        pixels = (values.float() / 2 + 0.5).clamp(0, 1)
        if not bool(torch.isfinite(pixels).all()):
            raise EngineError(
                f"the picture has values that are not numbers in {self.dtype}: "
                "run this model in float32."
            )
        if output_type == "pt":
            return pixels
        return pixels.permute(0, 2, 3, 1).cpu().numpy() if output_type == "np" else to_pil(pixels)
