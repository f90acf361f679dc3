"""DPM-Solver++ of second order for the stochastic equation, along a Brownian path."""

import torch
from torch import Tensor

from engine.noise import draw_noise
from engine.schedulers.base import Noise, Step
from engine.schedulers.euler import ancestral
from engine.schedulers.points import Point
from engine.schedulers.two_calls import TwoCallScheduler

__all__ = ["BrownianPath", "DPMSolverSDEScheduler"]


class BrownianPath:
    """A path from the highest level down, drawn as far as it is asked for.

    Each part is drawn once, with the exact law and no grid: increments over levels apart are
    independent, their variance is the difference of the levels, and they add up.
    """

    def __init__(self) -> None:
        self.marks: dict[float, Tensor] = {}

    def __repr__(self) -> str:
        return f"BrownianPath({sorted(self.marks)})"

    def increment(self, start: float, end: float, noise: Noise) -> Tensor:
        """W(end) - W(start), for start > end.

        start: a level that this was asked for before, else the path begins anew there; what lies
        above is forgotten. end: one as well, or lower than all. noise: draws of unit variance.
        """
        marks = {level: w for level, w in self.marks.items() if level <= start}
        if start not in marks:
            marks = {start: torch.zeros(())}
        if end not in marks:
            lowest = min(marks)
            assert end < lowest, f"{end} lies between levels of a path that goes down: {marks}"
            marks[end] = marks[lowest] + (lowest - end) ** 0.5 * noise()
        self.marks = marks
        return marks[end] - marks[start]


class DPMSolverSDEScheduler(TwoCallScheduler):
    """ "DPM++ SDE": Lu et al. 2022, DPM-Solver++ (arXiv 2211.01095), 2S with ancestral noise.

    The noise to the middle of a step is part of the noise of the whole step. It is drawn as in
    other classes, or, with `noise_sampler_seed`, from that for the first image, the next for the
    next.
    """

    defaults = {"noise_sampler_seed": None}

    def reset(self) -> None:
        super().reset()
        self.path = BrownianPath()
        self.generators: list[torch.Generator] = []

    def seeded(self, x: Tensor) -> Tensor:
        """Noise of the configured seed."""
        if not self.generators:
            seeds = range(self.config.noise_sampler_seed, self.config.noise_sampler_seed + len(x))
            self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return draw_noise(x.shape, self.generators, x.device, x.dtype)

    def rule(self, at: Point, x: Tensor, m: Tensor, noise: Noise, *, s_noise: float = 1.0) -> Step:
        """A step down by x0, exact if that were constant, and noise; s_noise: its deviation."""
        x0 = self.original(at, x, m)
        start, x = self.begun(at, x)
        down, up = ancestral(start.sigma, at.next_sigma)
        x = torch.lerp(x0, x, down / start.sigma)
        if up == 0:
            return x, x0
        draw = noise if self.config.noise_sampler_seed is None else lambda: self.seeded(x)
        w = self.path.increment(start.sigma, at.next_sigma, draw)
        return torch.add(x, w, alpha=s_noise * up / (start.sigma - at.next_sigma) ** 0.5), x0
