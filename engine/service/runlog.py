"""What is to be known of a run when it has ended."""

from typing import Any

import torch
from torch import Tensor

from engine.pipelines.changes import Change
from engine.pipelines.denoise import Progress

__all__ = ["RunLog"]


class RunLog:
    """Takes notes of a run, call by call; what lies on the device is fetched once, at the end."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        """Those that took effect."""
        self.scheduler: Any = None
        """The one that the run began with."""
        self.steps = 0
        self._levels: list[tuple[float, float]] = []
        self._sizes: list[Tensor] = []

    def note(self, progress: Progress) -> None:
        """Remember what a call has shown."""
        self.steps = progress.step
        self.scheduler = self.scheduler or progress.scheduler
        self.changes += [taken.change for taken in progress.taken if not taken.refused]
        self._levels.append((progress.point.sigma, progress.point.timestep))
        self._sizes.append(progress.sizes)

    def trace(self) -> dict[str, tuple[float, ...]]:
        """As Finished.trace."""
        sizes = torch.stack(self._sizes).tolist()
        rows = [(*levels, *size) for levels, size in zip(self._levels, sizes, strict=True)]
        names = ("sigma", "timestep", "x", "x0", "eps")
        return dict(zip(names, zip(*rows, strict=True), strict=True))
