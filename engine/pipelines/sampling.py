"""What pipelines share that walk from drawn noise to pictures."""

from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor

from engine.errors import EngineError, RequestError
from engine.images import to_pil
from engine.noise import Generators, draw_first, seeded
from engine.pipelines.control import Control
from engine.pipelines.course import Course, Settings, named_config
from engine.pipelines.denoise import Progress
from engine.pipelines.limits import check_argument
from engine.pipelines.pipeline import NO_PICTURES, DiffusionPipeline, Pictures, PipelineOutput
from engine.pipelines.request import Request
from engine.pipelines.tasks import TASKS

__all__ = ["SamplingPipeline"]


class SamplingPipeline(DiffusionPipeline):
    """A subclass writes `stream` in the words of its task, and says what a request means there."""

    unet: Any
    scheduler: Any

    def arguments(self, request: Request, pictures: Pictures) -> dict[str, Any]:
        """The arguments of `stream` that are of this task: neither steps nor draws.

        Raises `RequestError` for what this checkpoint cannot do.
        """
        raise NotImplementedError

    def stream_request(
        self, request: Request, control: Control | None = None, pictures: Pictures = NO_PICTURES
    ) -> Generator[Progress, None, PipelineOutput]:
        request.check()
        name = type(self).__name__
        if name not in TASKS[request.task].values():
            own = ", ".join(task for task, classes in TASKS.items() if name in classes.values())
            raise RequestError(f"task is {request.task!r}, but a {name} does: {own}.")
        request.check_for(named_config(self.scheduler))
        if missing := request.pictures.keys() - pictures.keys():
            raise RequestError(
                f"pictures lacks {', '.join(sorted(missing))}: the request names it."
            )
        arguments = self.arguments(request, pictures)
        control = control or Control()
        first = {"scheduler": request.scheduler, "schedule_type": request.schedule_type}
        control.prepare(first, request.changes)
        images = [request.part(index, 1) for index in range(request.count)]
        return self.stream(
            **arguments,
            num_inference_steps=request.steps,
            generator=[
                seeded(one.seed, one.variation_seed, one.variation_strength) for one in images
            ],
            control=control,
        )

    def _check(self, steps: int, output_type: str, known: Sequence[str]) -> None:
        if output_type not in known:
            names = ", ".join(map(repr, known))
            raise RequestError(f"output_type is {output_type!r}; known: {names}.")
        check_argument("num_inference_steps", steps, 1, self.scheduler.config.num_train_timesteps)

    def _own_size(self) -> tuple[int, int] | None:
        """Height and width of what the UNet works on, where its configuration says them."""
        size = self.unet.config.sample_size
        return (size, size) if isinstance(size, int) else size and (size[0], size[1])

    def _course(
        self,
        steps: int,
        guidance_scale: float | None,
        control: Control | None,
        strength: float = 1.0,
    ) -> Course:
        if guidance_scale is not None:
            check_argument("guidance_scale", guidance_scale, 0)
        distilled = self.unet.config.get("time_cond_proj_dim") is not None
        return Course(
            self.scheduler,
            Settings(steps, guidance_scale),
            control or Control(),
            self.device,
            strength,
            distilled=distilled,
        )

    def _noise(
        self, shape: tuple[int, ...], generator: Generators, latents: Tensor | None = None
    ) -> Tensor:
        """Unit noise (B, C, h, w) in float32; latents: the same, where it is not to be drawn."""
        if isinstance(generator, list) and len(generator) != shape[0]:
            raise RequestError(f"generator has {len(generator)} entries for {shape[0]} images.")
        if latents is None:
            latents = draw_first(shape, generator, self.device)
        elif tuple(latents.shape) != shape:
            raise RequestError(
                f"latents has the shape {list(latents.shape)}, needed: {list(shape)}."
            )
        return latents.to(self.device, torch.float32)

    def _pictures(self, values: Tensor, output_type: str) -> Any:
        """Pictures of values (B, 3, H, W) in -1..1, in the form that the output type asks for."""
        self._check_finite(values)
        pixels = (values.float() / 2 + 0.5).clamp(0, 1)
        if output_type == "pt":
            return pixels
        return pixels.permute(0, 2, 3, 1).cpu().numpy() if output_type == "np" else to_pil(pixels)

    def _check_finite(self, values: Tensor) -> None:
        """Raise an `EngineError` for values that would make a black picture."""
        if not bool(torch.isfinite(values).all()):
            wide = self.dtype == torch.float32
            name = str(self.dtype).removeprefix("torch.")
            raise EngineError(
                f"the picture has values that are no numbers in {name}: "
                f"{'lower the guidance or take another sampler' if wide else 'run it in float32'}."
            )
