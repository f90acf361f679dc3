"""The engine of Stepwise: diffusion models, schedulers and pipelines, as a library.

Names import their module on first use; `import engine` alone does not import torch.
"""

from typing import TYPE_CHECKING

from engine._lazy import attach

if TYPE_CHECKING:
    from engine.models import AutoencoderKL as AutoencoderKL
    from engine.models import UNet2DConditionModel as UNet2DConditionModel
    from engine.models import UNet2DModel as UNet2DModel
    from engine.pipelines import Control as Control
    from engine.pipelines import DDIMPipeline as DDIMPipeline
    from engine.pipelines import DDPMPipeline as DDPMPipeline
    from engine.pipelines import DiffusionPipeline as DiffusionPipeline
    from engine.pipelines import PNDMPipeline as PNDMPipeline
    from engine.pipelines import Request as Request
    from engine.pipelines import (
        StableDiffusionDepth2ImgPipeline as StableDiffusionDepth2ImgPipeline,
    )
    from engine.pipelines import StableDiffusionImg2ImgPipeline as StableDiffusionImg2ImgPipeline
    from engine.pipelines import StableDiffusionInpaintPipeline as StableDiffusionInpaintPipeline
    from engine.pipelines import StableDiffusionPipeline as StableDiffusionPipeline
    from engine.schedulers import SCHEDULERS as SCHEDULERS
    from engine.schedulers import CMStochasticIterativeScheduler as CMStochasticIterativeScheduler
    from engine.schedulers import DDIMInverseScheduler as DDIMInverseScheduler
    from engine.schedulers import DDIMScheduler as DDIMScheduler
    from engine.schedulers import DDPMScheduler as DDPMScheduler
    from engine.schedulers import DEISMultistepScheduler as DEISMultistepScheduler
    from engine.schedulers import DPMSolverMultistepScheduler as DPMSolverMultistepScheduler
    from engine.schedulers import DPMSolverSDEScheduler as DPMSolverSDEScheduler
    from engine.schedulers import DPMSolverSinglestepScheduler as DPMSolverSinglestepScheduler
    from engine.schedulers import EDMDPMSolverMultistepScheduler as EDMDPMSolverMultistepScheduler
    from engine.schedulers import EDMEulerScheduler as EDMEulerScheduler
    from engine.schedulers import EulerAncestralDiscreteScheduler as EulerAncestralDiscreteScheduler
    from engine.schedulers import EulerDiscreteScheduler as EulerDiscreteScheduler
    from engine.schedulers import FlowMatchEulerDiscreteScheduler as FlowMatchEulerDiscreteScheduler
    from engine.schedulers import FlowMatchHeunDiscreteScheduler as FlowMatchHeunDiscreteScheduler
    from engine.schedulers import HeunDiscreteScheduler as HeunDiscreteScheduler
    from engine.schedulers import IPNDMScheduler as IPNDMScheduler
    from engine.schedulers import KDPM2AncestralDiscreteScheduler as KDPM2AncestralDiscreteScheduler
    from engine.schedulers import KDPM2DiscreteScheduler as KDPM2DiscreteScheduler
    from engine.schedulers import LCMScheduler as LCMScheduler
    from engine.schedulers import LMSDiscreteScheduler as LMSDiscreteScheduler
    from engine.schedulers import PNDMScheduler as PNDMScheduler
    from engine.schedulers import SASolverScheduler as SASolverScheduler
    from engine.schedulers import TCDScheduler as TCDScheduler
    from engine.schedulers import UniPCMultistepScheduler as UniPCMultistepScheduler
    from engine.schedulers import scheduler_named as scheduler_named

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AutoencoderKL": "models",
        "UNet2DConditionModel": "models",
        "UNet2DModel": "models",
        "Control": "pipelines",
        "DDIMPipeline": "pipelines",
        "DDPMPipeline": "pipelines",
        "DiffusionPipeline": "pipelines",
        "PNDMPipeline": "pipelines",
        "Request": "pipelines",
        "StableDiffusionDepth2ImgPipeline": "pipelines",
        "StableDiffusionImg2ImgPipeline": "pipelines",
        "StableDiffusionInpaintPipeline": "pipelines",
        "StableDiffusionPipeline": "pipelines",
        "SCHEDULERS": "schedulers",
        "CMStochasticIterativeScheduler": "schedulers",
        "DDIMInverseScheduler": "schedulers",
        "DDIMScheduler": "schedulers",
        "DDPMScheduler": "schedulers",
        "DEISMultistepScheduler": "schedulers",
        "DPMSolverMultistepScheduler": "schedulers",
        "DPMSolverSDEScheduler": "schedulers",
        "DPMSolverSinglestepScheduler": "schedulers",
        "EDMDPMSolverMultistepScheduler": "schedulers",
        "EDMEulerScheduler": "schedulers",
        "EulerAncestralDiscreteScheduler": "schedulers",
        "EulerDiscreteScheduler": "schedulers",
        "FlowMatchEulerDiscreteScheduler": "schedulers",
        "FlowMatchHeunDiscreteScheduler": "schedulers",
        "HeunDiscreteScheduler": "schedulers",
        "IPNDMScheduler": "schedulers",
        "KDPM2AncestralDiscreteScheduler": "schedulers",
        "KDPM2DiscreteScheduler": "schedulers",
        "LCMScheduler": "schedulers",
        "LMSDiscreteScheduler": "schedulers",
        "PNDMScheduler": "schedulers",
        "SASolverScheduler": "schedulers",
        "TCDScheduler": "schedulers",
        "UniPCMultistepScheduler": "schedulers",
        "scheduler_named": "schedulers",
    },
)
