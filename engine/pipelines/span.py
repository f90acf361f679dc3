"""Which part of a schedule a run makes."""

from dataclasses import dataclass
from typing import Any

from engine.errors import RequestError
from engine.pipelines.limits import check_argument, executed_steps

__all__ = ["WHOLE", "Span"]


@dataclass(frozen=True)
class Span:
    """The whole schedule, but for what is said.

    strength: 0 to 1, the last part of the steps, as in `executed_steps`.
    start, end: `denoising_start` and `denoising_end` of a run that one model begins and another one
    ends, 0 to 1: parts of the training timesteps, of which a run counts down. Of 1,000, an end of
    0.8 makes the steps at timesteps of 200 and more, and a start of 0.8 makes those below: the
    second begins with what the first has ended with, whatever its strength.
    Steps are never divided. Raises `RequestError` for parts that cannot be.
    """

    strength: float = 1.0
    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            if (part := getattr(self, name)) is not None:
                check_argument(f"denoising_{name}", part, 0, 1)

    @property
    def from_noise(self) -> bool:
        """Whether a run begins with noise alone."""
        return self.start is None and self.strength == 1

    def steps(self, steps: int) -> int:
        """How many of so many steps are left where a run begins, if nothing ends it early."""
        if self.start is None:
            return int(steps * self.strength)
        return round(steps * (1 - self.start))

    def begin(self, scheduler: Any, steps: int) -> int:
        """The index of the first of the points of a schedule of so many steps."""
        points = scheduler.points
        if self.start is not None:
            index = _place(scheduler, self.start, 0)
        else:
            index = (steps - executed_steps(steps, self.strength)) * scheduler.order
        if index == len(points):
            raise RequestError(
                f"denoising_start is {self.start}, which leaves none of {steps} steps: take an "
                "earlier start, or more steps."
            )
        if self.end is not None and points[index].timestep < _cutoff(scheduler, self.end):
            raise RequestError(
                f"denoising_end is {self.end}, which leaves none of {steps} steps: take a later "
                "end, or more steps."
            )
        return index

    def stop(self, scheduler: Any, begin: int) -> int:
        """The index before which a run ends that begins with the point `begin`, a step after it
        at least."""
        points = scheduler.points
        return len(points) if self.end is None else _place(scheduler, self.end, begin + 1)


WHOLE = Span()


def _cutoff(scheduler: Any, part: float) -> int:
    trained = scheduler.config.num_train_timesteps
    return round(trained - part * trained)


def _place(scheduler: Any, part: float, first: int) -> int:
    """The index, from `first` on, of the first step below a part of the training timesteps."""
    cutoff, points = _cutoff(scheduler, part), scheduler.points
    below = (p.index for p in points[first:] if p.stage == 0 and p.timestep < cutoff)
    return next(below, len(points))
