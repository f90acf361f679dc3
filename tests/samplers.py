"""The samplers that fit a model of noise, as the toy checkpoints are."""

from engine.schedulers import SCHEDULERS
from engine.schedulers.registry import unfit

__all__ = ["SAMPLERS"]

SAMPLERS = tuple(name for name in SCHEDULERS if not unfit(name, {}))
