"""The noise levels of a model, and those that a run steps over."""

from typing import Any, ClassVar

import numpy as np
import torch

from engine.checks import choice
from engine.errors import EngineError
from engine.schedulers import betas, tables
from engine.schedulers.points import PREDICTIONS
from engine.schedulers.schedule_types import sigmas_of_type, type_named
from engine.schedulers.settings import Settings
from engine.schedulers.tables import Array

__all__ = ["Levels"]


class Levels(Settings):
    """From settings to numbers."""

    order: ClassVar[int] = 1
    """Calls of the model in a step."""
    prediction: ClassVar[str] = "epsilon"
    """The prediction type of a class without a setting for it."""
    scaling: str = "variance_preserving"
    """What a sample is, over x = x0 + sigma * eps: a key of `SCALES`."""
    alpha_floor: ClassVar[float] = 1e-20
    """Stands for the zero that `rescale_betas_zero_snr` asks for: sigma is huge, not infinite."""

    prediction_type: str
    shape: str | None
    """The key of `tables.SHAPES` that is switched on."""
    continuous: bool
    """Whether the model is told a quarter of the logarithm of sigma in place of a timestep."""
    table: Array
    """Noise levels of the training timesteps: ascending."""

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        flow = self.setting("use_flow_sigmas", False)
        self.scaling = "flow" if flow else type(self).scaling
        self.prediction_type = self.setting("prediction_type", self.prediction)
        choice("prediction_type", self.prediction_type, self.predictions())
        shapes = [key for key in tables.SHAPES if self.setting(key, False)]
        if len(shapes) > 1:
            raise EngineError(f"{' and '.join(shapes)} are both on: switch on one at most.")
        self.shape = shapes[0] if shapes else None
        continuous = self.setting("timestep_type", "discrete") == "continuous"
        self.continuous = continuous and self.prediction_type == "v_prediction"
        self.table = self.training_table()

    def predictions(self) -> tuple[str, ...]:
        """The prediction types that mean something at this scaling."""
        without = "v_prediction" if self.scaling == "flow" else "flow_prediction"
        return tuple(kind for kind in PREDICTIONS if kind != without)

    def training_table(self) -> Array:
        """Noise levels of the training timesteps, ascending: of betas, where a class has them."""
        config = self.config
        if config.trained_betas is not None:
            made = torch.tensor(config.trained_betas, dtype=torch.float32)
        else:
            ends = (config.beta_start, config.beta_end)
            made = betas.betas(config.beta_schedule, *ends, config.num_train_timesteps)
        zero_snr = self.setting("rescale_betas_zero_snr", False)
        self.betas = betas.zero_terminal_snr(made) if zero_snr else made
        self.alphas = 1.0 - self.betas
        self.alphas_cumprod = self.alphas.cumprod(0)
        if zero_snr:
            self.alphas_cumprod[-1] = self.alpha_floor
        return betas.sigmas_of(self.alphas_cumprod)

    def shaped(self, low: float, high: float, steps: int) -> Array:
        """Levels of the shape that is on: (steps,), descending, between ends of one's choice.

        low, high: those where `sigma_min` or `sigma_max` is not set.
        """
        assert self.shape is not None, "no shape is on"
        return tables.SHAPES[self.shape](*self.ends(low, high), steps)

    def ends(self, low: float, high: float) -> tuple[float, float]:
        """`sigma_min` and `sigma_max`, or low and high where they are not set."""
        least, most = self.setting("sigma_min", None), self.setting("sigma_max", None)
        low, high = low if least is None else least, high if most is None else most
        if not low <= high:
            raise EngineError(
                f"Levels go from {high:.6g} down to {low:.6g}: choose sigma_min less."
            )
        return low, high

    def grid(self, steps: int) -> tuple[Array, Array]:
        """Timesteps (steps,) and noise levels (steps + 1,) of a run, by the configuration.

        A level for every step and the one where the last step ends, however often a step calls the
        model.
        """
        raise NotImplementedError

    def levels(self, steps: int) -> tuple[Array, Array]:
        """`grid`, or that of the schedule type that was asked for in its place."""
        kind = type_named(self.config.get("schedule_type") or "")
        if not kind:
            return self.grid(steps)
        if "beta_schedule" not in self.keys or self.scaling == "flow":
            raise EngineError(f"{kind} is for models with a table of betas: choose Automatic.")
        sigmas = sigmas_of_type(kind, self.table, steps)
        return self.timesteps_at(sigmas), np.append(sigmas, self.end_sigma)

    def sigmas_at(self, timesteps: Array) -> Array:
        """Noise levels of timesteps."""
        if self.scaling == "flow":
            return tables.flow_sigmas(timesteps / len(self))
        return np.interp(timesteps, np.arange(len(self.table)), self.table)

    def timesteps_at(self, sigmas: Array) -> Array:
        """Timesteps of noise levels: the inverse of `sigmas_at`, but for the interpolation."""
        if self.scaling == "flow":
            return tables.flow_levels(sigmas) * len(self)
        return tables.sigma_to_timestep(sigmas, self.table)

    def whole(self, timesteps: Array) -> Array:
        """Timesteps that were asked for, if they are those of training; else an `EngineError`."""
        if (timesteps % 1).any() or timesteps[0] >= len(self):
            raise EngineError(f"timesteps are {timesteps}; give whole numbers below {len(self)}.")
        return timesteps

    @property
    def end_sigma(self) -> float:
        """The noise level at which a schedule ends: none, or that of the first timestep."""
        zero = self.setting("final_sigmas_type", "zero") == "zero"
        return 0.0 if zero and self.setting("set_alpha_to_one", True) else float(self.table[0])
