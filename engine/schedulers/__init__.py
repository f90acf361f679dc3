"""Schedulers: noise tables, the shared base, one short rule a class, and the registry."""

from typing import TYPE_CHECKING

from engine._lazy import attach

if TYPE_CHECKING:
    from engine.schedulers.base import Point as Point
    from engine.schedulers.base import Scheduler as Scheduler
    from engine.schedulers.base import SchedulerOutput as SchedulerOutput
    from engine.schedulers.ddim import DDIMScheduler as DDIMScheduler
    from engine.schedulers.ddpm import DDPMScheduler as DDPMScheduler
    from engine.schedulers.euler_discrete import EulerDiscreteScheduler as EulerDiscreteScheduler
    from engine.schedulers.pndm import PNDMScheduler as PNDMScheduler
    from engine.schedulers.registry import SCHEDULERS as SCHEDULERS
    from engine.schedulers.registry import scheduler_named as scheduler_named

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Point": "base",
        "Scheduler": "base",
        "SchedulerOutput": "base",
        "DDIMScheduler": "ddim",
        "DDPMScheduler": "ddpm",
        "EulerDiscreteScheduler": "euler_discrete",
        "PNDMScheduler": "pndm",
        "SCHEDULERS": "registry",
        "scheduler_named": "registry",
    },
)
