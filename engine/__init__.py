"""The engine of Stepwise: diffusion models, schedulers and pipelines, as a library.

Names import their module on first use; `import engine` alone does not import torch.
"""

from typing import TYPE_CHECKING

from engine._lazy import attach

if TYPE_CHECKING:
    from engine.models import AutoencoderKL as AutoencoderKL
    from engine.models import UNet2DConditionModel as UNet2DConditionModel
    from engine.models import UNet2DModel as UNet2DModel
    from engine.pipelines import DDIMPipeline as DDIMPipeline
    from engine.pipelines import DDPMPipeline as DDPMPipeline
    from engine.pipelines import DiffusionPipeline as DiffusionPipeline
    from engine.pipelines import PNDMPipeline as PNDMPipeline
    from engine.pipelines import StableDiffusionPipeline as StableDiffusionPipeline
    from engine.schedulers import CMStochasticIterativeScheduler as CMStochasticIterativeScheduler
    from engine.schedulers import DDIMScheduler as DDIMScheduler
    from engine.schedulers import DDPMScheduler as DDPMScheduler
    from engine.schedulers import DPMSolverSDEScheduler as DPMSolverSDEScheduler
    from engine.schedulers import EDMDPMSolverMultistepScheduler as EDMDPMSolverMultistepScheduler
    from engine.schedulers import EDMEulerScheduler as EDMEulerScheduler
    from engine.schedulers import EulerAncestralDiscreteScheduler as EulerAncestralDiscreteScheduler
    from engine.schedulers import EulerDiscreteScheduler as EulerDiscreteScheduler
    from engine.schedulers import HeunDiscreteScheduler as HeunDiscreteScheduler
    from engine.schedulers import IPNDMScheduler as IPNDMScheduler
    from engine.schedulers import KDPM2AncestralDiscreteScheduler as KDPM2AncestralDiscreteScheduler
    from engine.schedulers import KDPM2DiscreteScheduler as KDPM2DiscreteScheduler
    from engine.schedulers import LMSDiscreteScheduler as LMSDiscreteScheduler
    from engine.schedulers import PNDMScheduler as PNDMScheduler

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AutoencoderKL": "models",
        "UNet2DConditionModel": "models",
        "UNet2DModel": "models",
        "DDIMPipeline": "pipelines",
        "DDPMPipeline": "pipelines",
        "DiffusionPipeline": "pipelines",
        "PNDMPipeline": "pipelines",
        "StableDiffusionPipeline": "pipelines",
        "DDIMScheduler": "schedulers",
        "DDPMScheduler": "schedulers",
        "EulerDiscreteScheduler": "schedulers",
        "PNDMScheduler": "schedulers",
        "EulerAncestralDiscreteScheduler": "schedulers",
        "HeunDiscreteScheduler": "schedulers",
        "LMSDiscreteScheduler": "schedulers",
        "KDPM2DiscreteScheduler": "schedulers",
        "KDPM2AncestralDiscreteScheduler": "schedulers",
        "DPMSolverSDEScheduler": "schedulers",
        "IPNDMScheduler": "schedulers",
        "EDMEulerScheduler": "schedulers",
        "EDMDPMSolverMultistepScheduler": "schedulers",
        "CMStochasticIterativeScheduler": "schedulers",
    },
)
