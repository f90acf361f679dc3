"""The engine of Stepwise: diffusion models, schedulers and pipelines, as a library.

Names import their module on first use; `import engine` alone does not import torch.
"""

from typing import TYPE_CHECKING

from engine._lazy import attach

if TYPE_CHECKING:
    from engine.models import AutoencoderKL as AutoencoderKL
    from engine.models import UNet2DConditionModel as UNet2DConditionModel
    from engine.pipelines import DiffusionPipeline as DiffusionPipeline
    from engine.pipelines import StableDiffusionPipeline as StableDiffusionPipeline
    from engine.schedulers import DDIMScheduler as DDIMScheduler
    from engine.schedulers import EulerDiscreteScheduler as EulerDiscreteScheduler
    from engine.schedulers import PNDMScheduler as PNDMScheduler

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AutoencoderKL": "models",
        "UNet2DConditionModel": "models",
        "DiffusionPipeline": "pipelines",
        "StableDiffusionPipeline": "pipelines",
        "DDIMScheduler": "schedulers",
        "EulerDiscreteScheduler": "schedulers",
        "PNDMScheduler": "schedulers",
    },
)
