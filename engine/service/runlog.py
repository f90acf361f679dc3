"""What is to be known of a run when it has ended."""

from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from engine.pipelines.changes import Change
from engine.pipelines.course import Settings
from engine.pipelines.denoise import Progress
from engine.pipelines.request import Request

__all__ = ["RunLog"]


class RunLog:
    """Takes notes of a run, call by call; what lies on the device is fetched once, at the end."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        """Those that took effect."""
        self.scheduler: Any = None
        """The one that the run began with."""
        self.steps = 0
        self._live: list[Change] = []
        self._levels: list[tuple[float, float]] = []
        self._sizes: list[Tensor] = []

    def note(self, progress: Progress) -> None:
        """Remember what a call has shown."""
        self.steps = progress.step
        self.scheduler = self.scheduler or progress.scheduler
        met = [taken for taken in progress.taken if not taken.refused]
        self.changes += [taken.change for taken in met]
        self._live += [taken.change for taken in met if taken.live]
        self._levels.append((progress.point.sigma, progress.point.timestep))
        self._sizes.append(progress.sizes)

    def lasting(self, request: Request) -> Request:
        """The request for the images after these: what was asked for on the way holds from then on,
        while the changes that a request itself plans begin anew with every image."""
        text = "guidance_scale" not in request.unused
        settings = Settings(request.steps, request.guidance_scale if text else None)
        first = Change(0, scheduler=request.scheduler, schedule_type=request.schedule_type)
        for change in (first, *self._live):
            settings = settings.changed(change)
        known = {name: value for name, value in asdict(settings).items() if value is not None}
        return replace(request, **known)

    def trace(self) -> dict[str, tuple[float, ...]]:
        """As Finished.trace."""
        sizes = torch.stack(self._sizes).tolist()
        rows = [(*levels, *size) for levels, size in zip(self._levels, sizes, strict=True)]
        names = ("sigma", "timestep", "x", "x0", "eps")
        return dict(zip(names, zip(*rows, strict=True), strict=True))
