"""What all schedulers share: the space x = x0 + sigma * eps, the step around a rule, the lookup.

A subclass is its configuration keys with their defaults, a few flags, and one `rule`.
"""

import copy
import operator
from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias

import numpy as np
import torch
from torch import Tensor

from engine.config import Configured, read_json
from engine.errors import EngineError
from engine.schedulers import tables
from engine.schedulers.points import PREDICTIONS, Plan, Point, combine
from engine.schedulers.tables import Array

__all__ = ["Generators", "Noise", "Scheduler", "SchedulerOutput"]

Noise: TypeAlias = Callable[[], Tensor]
Generators: TypeAlias = torch.Generator | Sequence[torch.Generator] | None


class SchedulerOutput(NamedTuple):
    """prev_sample: the input of the next step; pred_original_sample: x0 as believed now."""

    prev_sample: Tensor
    pred_original_sample: Tensor


class Scheduler(Configured):
    """The base of the family; its calls are those of diffusers' schedulers.

    A step costs a few tensor operations: its coefficients are floats known since `set_timesteps`,
    and an element (or slice) of `timesteps` tells its index by where it lies in that tensor, which
    needs no look at its value. Any other timestep is looked up by value; that waits for the device
    if it is a tensor there.
    """

    config_name: ClassVar[str] = "scheduler_config.json"
    order: ClassVar[int] = 1
    variance_preserving: ClassVar[bool] = True
    """Samples are x scaled to unit variance, as models take them; else they are x itself."""
    alpha_floor: ClassVar[float] = 1e-20
    """Stands for the zero that `rescale_betas_zero_snr` asks for: sigma is huge, not infinite."""

    timesteps: Tensor
    """Descending; what a denoising loop walks over."""
    sigmas: Tensor
    """Noise levels of the schedule and the one where it ends: float32, on the host."""
    num_inference_steps: int | None = None
    """None before `set_timesteps`: a step is then one of the training schedule's."""
    begin_index: int | None = None

    keys: ClassVar[frozenset[str]]
    """The configuration keys that this class has."""
    step_options: ClassVar[frozenset[str]]
    """The keywords of its own that this class takes in `step`: `eta`, `s_churn`."""
    _points: tuple[Point, ...]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.keys = frozenset(signature(cls.__init__).parameters) - {"self"}
        parameters = signature(cls.rule).parameters.values()
        cls.step_options = frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)

    def __init__(self) -> None:
        config = self.config
        tables.choice("prediction_type", config.prediction_type, PREDICTIONS)
        tables.choice("timestep_spacing", config.timestep_spacing, tables.SPACINGS)
        if config.trained_betas is not None:
            betas = torch.tensor(config.trained_betas, dtype=torch.float32)
        else:
            ends = (config.beta_start, config.beta_end)
            betas = tables.betas(config.beta_schedule, *ends, config.num_train_timesteps)
        zero_snr = self.setting("rescale_betas_zero_snr", False)
        self.betas = tables.zero_terminal_snr(betas) if zero_snr else betas
        self.alphas_cumprod = (1.0 - self.betas).cumprod(0)
        if zero_snr:
            self.alphas_cumprod[-1] = self.alpha_floor
        self.table = tables.sigmas_of(self.alphas_cumprod)
        self._install(self.training_plan(), None)

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.config.to_json()}"

    def __len__(self) -> int:
        return self.config.num_train_timesteps

    def setting(self, key: str, default: Any) -> Any:
        """A configuration key if this class has it: those kept for other classes do not count."""
        return self.config[key] if key in self.keys else default

    # The schedule

    def plan(self, steps: int) -> Plan:
        """The schedule of `steps` steps by the configuration."""
        raise NotImplementedError

    def training_plan(self) -> Plan:
        """The schedule before `set_timesteps`: all training timesteps."""
        raise NotImplementedError

    def custom_plan(self, timesteps: Array | None, sigmas: Array | None) -> Plan:
        """The schedule of given timesteps, or of noise levels, the last of which is its end."""
        raise EngineError(
            f"{type(self).__name__} takes no custom timesteps or sigmas: give num_inference_steps."
        )

    def reset(self) -> None:
        """Forget earlier steps: a rule with a history overrides this, and keeps it in `self`."""

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        timesteps: Sequence[float] | None = None,
        sigmas: Sequence[float] | None = None,
    ) -> None:
        """Compute the schedule of a run and forget the last one.

        num_inference_steps: 1 to `num_train_timesteps`. In its place, where the class takes them,
        descending custom `timesteps`, or `sigmas` including the final one.
        device: where `timesteps` lie. Raises `EngineError`.
        """
        if sum(given is not None for given in (num_inference_steps, timesteps, sigmas)) != 1:
            raise EngineError("Give exactly one of num_inference_steps, timesteps and sigmas.")
        if num_inference_steps is None:
            plan = self.custom_plan(
                _descending("timesteps", timesteps, 1), _descending("sigmas", sigmas, 2)
            )
            self.num_inference_steps = len(plan.timesteps)
        else:
            steps, most = operator.index(num_inference_steps), self.config.num_train_timesteps
            if not 1 <= steps <= most:
                raise EngineError(
                    f"num_inference_steps is {steps}; choose 1 to {most}, the number of timesteps "
                    "that the model was trained on."
                )
            plan = self.plan(steps)
            self.num_inference_steps = steps
        self._install(plan, device)
        self._points = self.points

    def _install(self, plan: Plan, device: torch.device | str | None) -> None:
        levels = plan.levels
        if levels is None:
            levels = np.append(plan.sigmas, plan.next_sigmas[-1:])
        self.timesteps = torch.tensor(plan.timesteps, device=device)
        self.sigmas = torch.tensor(levels, dtype=torch.float32, device="cpu")
        self.begin_index = None
        self._plan, self._next = plan, 0
        self._points = ()
        self.reset()

    @property
    def points(self) -> tuple[Point, ...]:
        """The steps of the schedule; those of the training schedule are made when first needed."""
        if not self._points:
            self._points = self.points_of(self._plan)
            self._places = {point.timestep: point.index for point in reversed(self._points)}
        return self._points

    def points_of(self, plan: Plan) -> tuple[Point, ...]:
        """The steps of any plan, for this scheduler's prediction type and scaling."""
        return plan.points(self.config.prediction_type, self.variance_preserving)

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Say that the next step is `timesteps[begin_index]`, as image-to-image starts."""
        self.begin_index = self._next = begin_index

    @property
    def step_index(self) -> int:
        """Index of the step that is expected next."""
        return self._next

    @property
    def init_noise_sigma(self) -> float:
        """Standard deviation of the sample that a whole schedule starts from."""
        return 1.0

    def point(self, timestep: float | Tensor) -> Point:
        """The step at a timestep: sample = point.scale * (x0 + point.sigma * eps) holds there.

        Raises `EngineError` for a timestep that the schedule does not have.
        """
        if isinstance(timestep, Tensor):
            if timestep.untyped_storage() is self.timesteps.untyped_storage():
                return self.points[timestep.storage_offset()]
            timestep = timestep.item()
        points = self.points
        # a timestep can stand in a schedule twice: the one whose turn it is comes first
        if self._next < len(points) and points[self._next].timestep == timestep:
            return points[self._next]
        if timestep not in self._places:
            near = min(self._places, key=lambda other: abs(other - timestep))
            raise EngineError(
                f"timestep {timestep} is not in the schedule of {len(points)} steps; the nearest "
                f"is {near}. Pass an element of scheduler.timesteps."
            )
        return points[self._places[timestep]]

    # The step

    def rule(self, at: Point, x: Tensor, m: Tensor, *args: Any, **options: Any) -> Any:
        """Take x from `at.sigma` to `at.next_sigma`; return it with the x0 believed on the way.

        x: a sample over `at.scale`; m: the model's output for it, both in float32 or wider.
        A third argument, `noise`, draws unit noise shaped like m. Keywords are the class's own.
        """
        raise NotImplementedError

    def leg(self, here: Point) -> Point:
        """From where to where the rule goes when called at a point of the schedule."""
        return here

    def estimate(self, at: Point, x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        """x0, clipped or thresholded if so configured, and eps (never clipped)."""
        return self._bounded(combine(at.x0, x, m)), combine(at.eps, x, m)

    def _bounded(self, x0: Tensor) -> Tensor:
        if self.setting("thresholding", False):
            # dynamic thresholding: Saharia et al. 2022 (arXiv 2205.11487), section 2.3
            size = x0.abs().flatten(1).quantile(self.config.dynamic_thresholding_ratio, dim=1)
            limit = size.clamp(1.0, self.config.sample_max_value).view(-1, *[1] * (x0.ndim - 1))
            return x0.clamp(-limit, limit) / limit
        if self.setting("clip_sample", False):
            return x0.clamp(-self.config.clip_sample_range, self.config.clip_sample_range)
        return x0

    def step(
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        *,
        generator: Generators = None,
        variance_noise: Tensor | None = None,
        return_dict: bool = True,
        **options: Any,
    ) -> SchedulerOutput | tuple[Tensor, Tensor]:
        """Go one step: sample at `timestep` -> sample at the next one, and x0.

        model_output, sample: the same shape, batch first; computed in float32 at least, returned
        in the sample's dtype. timestep: an element of `timesteps`, or its value.
        generator: where a stochastic rule draws from, one or one per image; None is torch's own.
        variance_noise: unit noise to use instead. options: those in `step_options`.
        Before `set_timesteps` a step of the training schedule is taken and nothing remembered.
        """
        if variance_noise is not None and generator is not None:
            raise EngineError("Both generator and variance_noise are given: give one of them.")
        if options.keys() - self.step_options:
            raise EngineError(
                f"{type(self).__name__}.step was given {', '.join(options)}; its own options are: "
                f"{', '.join(sorted(self.step_options)) or 'none'}."
            )
        here = self.point(timestep)
        run = self
        if self.num_inference_steps is None:
            run = copy.copy(self)  # takes what is remembered with it, and is dropped
            run.reset()

        def noise() -> Tensor:
            return (
                _randn_like(model_output, generator) if variance_noise is None else variance_noise
            )

        at = run.leg(here)
        dtype = torch.promote_types(sample.dtype, torch.float32)
        x = sample.to(dtype)
        x = x if here.scale == 1 else x * (1 / here.scale)
        x, x0 = run.rule(at, x, model_output.to(dtype), noise, **options)
        x = x if at.next_scale == 1 else x * at.next_scale
        run._next = here.index + 1
        output = SchedulerOutput(x.to(sample.dtype), x0.to(sample.dtype))
        return output if return_dict else (output[0], output[1])

    # Before and beside the steps

    def scale_model_input(self, sample: Tensor, timestep: float | Tensor) -> Tensor:
        """What the model is to be given for a sample: of unit variance."""
        if self.variance_preserving:
            return sample
        return sample / (1 + self.point(timestep).sigma ** 2) ** 0.5

    def noise_levels(self, timesteps: Tensor) -> Tensor:
        """The sigma of each timestep: (B,), float32."""
        sigmas = [self.point(timestep).sigma for timestep in timesteps.reshape(-1)]
        return torch.tensor(sigmas, dtype=torch.float32, device=timesteps.device)

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Samples as they are at `timesteps` (B,): `scale * (original_samples + sigma * noise)`."""
        sigma = self.noise_levels(timesteps).to(noise.device)
        scale = (1 + sigma**2).rsqrt() if self.variance_preserving else torch.ones_like(sigma)
        return _mix(scale, original_samples, scale * sigma, noise)

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What a v-prediction model should answer at `timesteps` (B,) for x0 = `sample`."""
        sigma = self.noise_levels(timesteps).to(noise.device)
        scale = (1 + sigma**2).rsqrt()
        return _mix(scale, noise, -scale * sigma, sample)

    # Files

    @classmethod
    def from_pretrained(cls, folder: Path | str, subfolder: str | None = None) -> Self:
        """Read `scheduler_config.json`, of this class or a relative, from a folder.

        Where the subfolder has none, the folder itself is looked in. Raises `CheckpointError`.
        """
        paths = [Path(folder) / (subfolder or "") / cls.config_name, Path(folder) / cls.config_name]
        return cls.from_config(read_json(paths[0] if paths[0].is_file() else paths[1]))

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `scheduler_config.json` into a folder, as diffusers does."""
        self.save_config(folder)


def _descending(name: str, values: Sequence[float] | None, least: int) -> Array | None:
    if values is None:
        return None
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < least or not (np.diff(array) < 0).all() or array[-1] < 0:
        raise EngineError(
            f"{name} are {array.tolist()}; give at least {least}, descending, none below 0."
        )
    return array


def _mix(a: Tensor, x: Tensor, b: Tensor, y: Tensor) -> Tensor:
    shape = (-1, *[1] * (x.ndim - 1))
    return (a.view(shape) * x + b.view(shape) * y).to(x.dtype)


def _randn_like(like: Tensor, generator: Generators) -> Tensor:
    """Unit noise, drawn where the generator is; with one an image, each as if it were alone."""
    if isinstance(generator, Sequence):
        if len(generator) not in (1, len(like)):
            raise EngineError(f"{len(generator)} generators for {len(like)} images: one an image.")
        if len(generator) > 1:
            pairs = zip(like.split(1), generator, strict=True)
            return torch.cat([_randn_like(image, alone) for image, alone in pairs])
        generator = generator[0]
    device = like.device if generator is None else generator.device
    return torch.randn(like.shape, generator=generator, device=device, dtype=like.dtype).to(
        like.device
    )
