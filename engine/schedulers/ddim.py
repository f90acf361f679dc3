"""DDIM: denoising diffusion implicit models."""

from collections.abc import Sequence

from torch import Tensor

from engine.config import configured
from engine.errors import EngineError
from engine.schedulers.base import Noise
from engine.schedulers.discrete import DiscreteScheduler
from engine.schedulers.points import Point

__all__ = ["DDIMScheduler"]


class DDIMScheduler(DiscreteScheduler):
    """Song, Meng and Ermon 2021, Denoising Diffusion Implicit Models (arXiv 2010.02502)."""

    @configured
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: str = "linear",
        trained_betas: Sequence[float] | None = None,
        clip_sample: bool = True,
        set_alpha_to_one: bool = True,
        steps_offset: int = 0,
        prediction_type: str = "epsilon",
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        clip_sample_range: float = 1.0,
        sample_max_value: float = 1.0,
        timestep_spacing: str = "leading",
        rescale_betas_zero_snr: bool = False,
    ) -> None:
        super().__init__()

    def rule(
        self,
        at: Point,
        x: Tensor,
        m: Tensor,
        noise: Noise,
        *,
        eta: float = 0.0,
        use_clipped_model_output: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Equations 12 and 16, divided by sqrt(alpha_{t-1}).

        eta: 0 is deterministic, 1 is DDPM. use_clipped_model_output: eps is made to fit the
        clipped x0.
        """
        if not 0 <= eta <= 1:
            raise EngineError(f"eta is {eta}; choose 0 (no noise) to 1 (as much as DDPM).")
        x0, eps = self.estimate(at, x, m)
        if use_clipped_model_output:
            eps = (x - x0) / at.sigma
        s = eta * at.next_sigma * max(0.0, 1 - (at.next_sigma / at.sigma) ** 2) ** 0.5
        x = x0 + (at.next_sigma**2 - s**2) ** 0.5 * eps
        return (x + s * noise() if eta > 0 else x), x0
