"""The configuration of schedulers: groups of keys that classes have in common, and the base."""

import math
from pathlib import Path
from typing import Any, ClassVar, Self

from engine.checkpoints.layout import SCHEDULER
from engine.checkpoints.repository import Hub, locate
from engine.config import Tabled, read_json
from engine.neutral import check_neutral, without_hints
from engine.schedulers import tables

__all__ = ["BETA_KEYS", "CLIP_KEYS", "SHAPE_KEYS", "SPACING_KEYS", "THRESHOLD_KEYS", "Settings"]

COUNT, POSITIVE = (1, math.inf), (1e-9, 1e9)

BETA_KEYS: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "prediction_type": "epsilon",
}
SPACING_KEYS: dict[str, Any] = {"timestep_spacing": "linspace", "steps_offset": 0}
SHAPE_KEYS: dict[str, Any] = dict.fromkeys(tables.SHAPES, False)
THRESHOLD_KEYS: dict[str, Any] = {
    "thresholding": False,
    "dynamic_thresholding_ratio": 0.995,
    "sample_max_value": 1.0,
}
CLIP_KEYS: dict[str, Any] = {"clip_sample": True, "clip_sample_range": 1.0}


class Settings(Tabled):
    """What is read from and written to `scheduler_config.json`."""

    config_name: ClassVar[str] = "scheduler_config.json"
    positional = 5
    optional = frozenset({"schedule_type"})
    limits = {
        **dict.fromkeys(("num_train_timesteps", "solver_order", "original_inference_steps"), COUNT),
        **dict.fromkeys(("sigma_min", "sigma_max", "sigma_data", "rho"), POSITIVE),
        **dict.fromkeys(("shift", "flow_shift", "clip_sample_range", "sample_max_value"), POSITIVE),
        **dict.fromkeys(("beta_start", "beta_end"), (1e-9, 0.9999)),
        **{"steps_offset": (0, math.inf), "dynamic_thresholding_ratio": (0.0, 1.0)},
    }
    choices = {
        "final_sigmas_type": ("zero", "sigma_min"),
        "interpolation_type": ("linear", "log_linear"),
        "timestep_spacing": tables.SPACINGS,
        "timestep_type": ("discrete", "continuous"),
        "time_shift_type": ("exponential", "linear"),
    }

    def __len__(self) -> int:
        return self.config.num_train_timesteps

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Path | str,
        subfolder: str | None = None,
        return_unused_kwargs: bool = False,
        *,
        revision: str | None = None,
        cache_dir: Path | str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        **overrides: Any,
    ) -> Self:
        """Read `scheduler_config.json`, of this class or a relative, from a folder or the Hub.

        Where the subfolder has none, the folder itself is looked in. revision, cache_dir, token,
        local_files_only: as in `repository.Hub`. overrides: settings in place of the file's.
        return_unused_kwargs: False alone, as are others that diffusers takes: `engine.neutral`.
        Raises `CheckpointError`.
        """
        check_neutral(return_unused_kwargs=return_unused_kwargs)
        overrides = without_hints(overrides)
        hub = Hub(revision, cache_dir, token, local_files_only)
        folder = locate(pretrained_model_name_or_path, subfolder, SCHEDULER, hub)
        return cls.from_config(read_json(folder / cls.config_name), **overrides)

    def save_pretrained(self, save_directory: Path | str, push_to_hub: bool = False) -> None:
        """Write `scheduler_config.json` into a folder, as diffusers does; push_to_hub: False."""
        check_neutral(push_to_hub=push_to_hub)
        self.save_config(save_directory)
