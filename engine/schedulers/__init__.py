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

MODULES = {
    "base": ("Point", "Scheduler", "SchedulerOutput"),
    "consistency_models": ("CMStochasticIterativeScheduler",),
    "ddim": ("DDIMInverseScheduler", "DDIMScheduler"),
    "ddpm": ("DDPMScheduler",),
    "deis_multistep": ("DEISMultistepScheduler",),
    "distilled": ("LCMScheduler", "TCDScheduler"),
    "dpmsolver": ("DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"),
    "dpmsolver_sde": ("DPMSolverSDEScheduler",),
    "edm": ("EDMDPMSolverMultistepScheduler", "EDMEulerScheduler"),
    "euler": ("EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler"),
    "flow_match": ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"),
    "ipndm": ("IPNDMScheduler",),
    "lms_discrete": ("LMSDiscreteScheduler",),
    "pndm": ("PNDMScheduler",),
    "registry": ("SCHEDULERS", "scheduler_named"),
    "sasolver": ("SASolverScheduler",),
    "two_calls": (
        *("HeunDiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler"),
    ),
    "unipc_multistep": ("UniPCMultistepScheduler",),
}

__getattr__, __dir__, __all__ = attach(
    __name__, {name: module for module, names in MODULES.items() for name in names}
)
