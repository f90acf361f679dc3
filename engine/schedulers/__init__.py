"""Schedulers: noise tables, the shared base, one short rule a class, and the registry."""

from typing import TYPE_CHECKING

from engine._lazy import attach

if TYPE_CHECKING:
    from engine.schedulers.base import Point, Scheduler, SchedulerOutput
    from engine.schedulers.consistency_models import CMStochasticIterativeScheduler
    from engine.schedulers.ddim import DDIMInverseScheduler, DDIMScheduler
    from engine.schedulers.ddpm import DDPMScheduler
    from engine.schedulers.deis_multistep import DEISMultistepScheduler
    from engine.schedulers.distilled import LCMScheduler, TCDScheduler
    from engine.schedulers.dpmsolver import (
        DPMSolverMultistepScheduler,
        DPMSolverSinglestepScheduler,
    )
    from engine.schedulers.dpmsolver_sde import DPMSolverSDEScheduler
    from engine.schedulers.edm import EDMDPMSolverMultistepScheduler, EDMEulerScheduler
    from engine.schedulers.euler import EulerAncestralDiscreteScheduler, EulerDiscreteScheduler
    from engine.schedulers.flow_match import (
        FlowMatchEulerDiscreteScheduler,
        FlowMatchHeunDiscreteScheduler,
    )
    from engine.schedulers.ipndm import IPNDMScheduler
    from engine.schedulers.lms_discrete import LMSDiscreteScheduler
    from engine.schedulers.pndm import PNDMScheduler
    from engine.schedulers.registry import SCHEDULERS, scheduler_named
    from engine.schedulers.sasolver import SASolverScheduler
    from engine.schedulers.two_calls import (
        HeunDiscreteScheduler,
        KDPM2AncestralDiscreteScheduler,
        KDPM2DiscreteScheduler,
    )
    from engine.schedulers.unipc_multistep import UniPCMultistepScheduler

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Point": "base",
        "Scheduler": "base",
        "SchedulerOutput": "base",
        "DDIMScheduler": "ddim",
        "DDPMScheduler": "ddpm",
        "EulerDiscreteScheduler": "euler",
        "PNDMScheduler": "pndm",
        "DEISMultistepScheduler": "deis_multistep",
        "DPMSolverMultistepScheduler": "dpmsolver",
        "DPMSolverSinglestepScheduler": "dpmsolver",
        "SASolverScheduler": "sasolver",
        "UniPCMultistepScheduler": "unipc_multistep",
        "DDIMInverseScheduler": "ddim",
        "LCMScheduler": "distilled",
        "TCDScheduler": "distilled",
        "FlowMatchEulerDiscreteScheduler": "flow_match",
        "FlowMatchHeunDiscreteScheduler": "flow_match",
        "EulerAncestralDiscreteScheduler": "euler",
        "HeunDiscreteScheduler": "two_calls",
        "LMSDiscreteScheduler": "lms_discrete",
        "KDPM2DiscreteScheduler": "two_calls",
        "KDPM2AncestralDiscreteScheduler": "two_calls",
        "DPMSolverSDEScheduler": "dpmsolver_sde",
        "IPNDMScheduler": "ipndm",
        "EDMEulerScheduler": "edm",
        "EDMDPMSolverMultistepScheduler": "edm",
        "CMStochasticIterativeScheduler": "consistency_models",
        "SCHEDULERS": "registry",
        "scheduler_named": "registry",
    },
)
