"""Flow matching: schedules of levels, not betas, with Euler's and Heun's method on them."""

import numpy as np
import torch
from torch import Tensor

from engine.checks import within
from engine.config import Config
from engine.schedulers.base import Noise, Step, options_of
from engine.schedulers.euler import churned
from engine.schedulers.points import Plan, Point
from engine.schedulers.schedule import Schedule
from engine.schedulers.settings import POSITIVE, SHAPE_KEYS
from engine.schedulers.shifted import SHIFT_KEYS, ShiftedScheduler
from engine.schedulers.tables import Array, flow_levels, flow_sigmas
from engine.schedulers.two_calls import two_calls

__all__ = ["FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"]


class FlowMatchScheduler(ShiftedScheduler):
    """Lipman et al. 2023, Flow Matching for Generative Modeling (arXiv 2210.02747)."""

    scaling = "flow"
    prediction = "flow_prediction"
    more_options = options_of(churned)
    defaults = {"num_train_timesteps": 1000, "shift": 1.0}

    def training_table(self) -> Array:
        levels = np.arange(1, len(self) + 1) / len(self)
        dynamic = self.setting("use_dynamic_shifting", False)
        return flow_sigmas(levels if dynamic else self.shifted(levels))

    def training_plan(self) -> Plan:
        sigmas = self.table[::-1]
        return Schedule.through(self, self.timesteps_at(sigmas), np.append(sigmas, 0.0))

    def grid(self, steps: int) -> tuple[Array, Array]:
        """Evenly from the highest level of training to the lowest, and shifted once more."""
        low, high = flow_levels(self.table[[0, -1]])
        return self.along(self.shifted(np.linspace(high, low, steps)))

    def along(self, levels: Array) -> tuple[Array, Array]:
        """A grid over levels, which are what their float32 is: 1 - s would show it."""
        if self.shape is not None:
            levels = self.shaped(levels[-1], levels[0], len(levels))
        levels, end = levels.astype(np.float32).astype(np.float64), np.zeros(1)
        if self.setting("invert_sigmas", False):
            levels, end = 1 - levels, 1 - end
        sigmas = flow_sigmas(levels)
        return self.timesteps_at(sigmas), np.append(sigmas, flow_sigmas(end))

    def custom_plan(self, timesteps: Array | None, sigmas: Array | None) -> Plan:
        """Both before the shift, levels without the end; the model is told timesteps as given."""
        if sigmas is None:
            assert timesteps is not None
            sigmas = timesteps / len(self)
        own, levels = self.along(self.shifted(sigmas))
        return self.through(own if timesteps is None else timesteps, levels)

    def set_shift(self, shift: float) -> None:
        """Take this in place of the configured shift, from the next `set_timesteps` on."""
        settings = {**self.config, "shift": within("shift", shift, *POSITIVE)}
        self._config = Config(settings, self.config.given | {"shift"})

    def scale_noise(self, sample: Tensor, timestep: Tensor, noise: Tensor) -> Tensor:
        """`add_noise`, as flow matching calls it."""
        return self.add_noise(sample, noise, timestep)


class FlowMatchEulerDiscreteScheduler(FlowMatchScheduler):
    """Esser et al. 2024, Scaling Rectified Flow Transformers (arXiv 2403.03206).

    base_shift, max_shift and the two lengths are for whoever computes mu. invert_sigmas: levels
    ascend, for models that call the picture the noise.
    """

    takes = ("sigmas", "mu", "timesteps")
    defaults = {
        "use_dynamic_shifting": False,
        "base_shift": 0.5,
        "max_shift": 1.15,
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
        "invert_sigmas": False,
        "shift_terminal": None,
        "stochastic_sampling": False,
        **SHIFT_KEYS,
        **SHAPE_KEYS,
    }

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise, **churn: float) -> Step:
        """A straight line, along the eps believed or, if so configured, along a new one."""
        within("s_churn (Flow Euler has none, Flow Heun has)", churn.get("s_churn", 0.0), 0.0, 0.0)
        x0, eps = self.estimate(at, x, m)
        eps = noise() if self.config.stochastic_sampling else eps
        return torch.add(x0, eps, alpha=at.next_sigma), x0


class FlowMatchHeunDiscreteScheduler(FlowMatchScheduler):
    """Two calls a step, one to the last level: the mean of the velocities at both of its ends."""

    order = 2

    def through(self, timesteps: Array, sigmas: Array) -> Plan:
        # a second call is made where the next step begins; none at the end
        return two_calls(timesteps, sigmas, np.append(timesteps[1:], 0.0), sigmas[1:])

    def reset(self) -> None:
        self.start: tuple[float, Tensor, Tensor, bool] | None = None

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise, **churn: float) -> Step:
        """Algorithm 2 of Karras et al. 2022 (arXiv 2206.00364) in levels s = sigma * scale."""
        x0, s, y = self.original(at, x, m), at.sigma * at.scale, x * at.scale
        if at.stage == 0 or self.start is None:
            s_hat, up = churned(s, len(self.sigmas) - 1, **churn)
            if s_hat > s:
                y, m = y + up * noise(), m * (s / s_hat)
            self.start = s_hat, y, m, s_hat > s
        else:
            s_hat, y, first, drawn = self.start
            m = (first + m) / 2
            if drawn:
                noise()  # of no use, but generators go on as in diffusers
        y = y + (at.next_sigma * at.next_scale - s_hat) * m
        return y / at.next_scale, x0
