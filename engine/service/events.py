"""What happens to a job, in the order in which its watchers see it.

The worker yields these with `job`, `number` and `time` unset; the service fills them in when it
publishes one. All are small and picklable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "TERMINAL",
    "Cancelled",
    "Changed",
    "Event",
    "Failed",
    "Finished",
    "Frame",
    "Loading",
    "Queued",
    "Saved",
    "Started",
    "Step",
]


@dataclass(frozen=True, kw_only=True)
class Event:
    """
    job: id of the job.
    number: 1, 2, ... within the job; a watcher that comes back passes the last one it saw.
    time: unix time at which the service published it, in seconds.
    """

    job: str = ""
    number: int = 0
    time: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Queued(Event):
    """Published again whenever it changes.

    position: 1 is next to start. starts: unix time at which it is likely to, in seconds; 0 while
    nothing is known of how long runs take here.
    """

    position: int
    starts: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Loading(Event):
    """A component (`unet`, `vae`, ...) of the model is being read into memory."""

    model: str
    component: str


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """Denoising begins: `total` steps asked for, `count` images at once, of `pictures` in all.

    first: how many images of the run come before these.
    """

    total: int
    count: int
    first: int = 0
    pictures: int = 1


@dataclass(frozen=True, kw_only=True)
class Step(Event):
    """
    One call of the model; some samplers make several a step.

    step: the one in hand, 1 to `total`. call: 1 to `calls`. The ends are others once the scheduler
        or the number of steps has changed.
    seconds: since Started.
    rate: calls a second, from the median of the latest.
    preview: JPEG of what the model believes now, long edge at most 256, a grid for several images;
        None for a call that shows none.
    """

    step: int
    total: int
    call: int
    calls: int
    seconds: float
    rate: float
    preview: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Changed(Event):
    """What was asked of the run in its course, with the end of the next step. Kept to the end of
    the job.

    step: that begins with it. call: how many calls of the model came before it.
    settings: as in a `Change`.
    refused: why the run goes on as before; "" when the settings have taken these values.
    """

    step: int
    call: int
    settings: Mapping[str, Any]
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class Frame(Event):
    """One frame of the film of a run. Kept with the job, at most 16 of them: where images are not
    drawn at once, the film is that of the latest.

    index: 0 to `total` - 1; total: of the film. step: after which it was taken.
    preview: JPEG as that of a Step; of a model that works on pixels it shows the sample itself,
        noise that turns into pictures.
    """

    index: int
    total: int
    step: int
    preview: bytes


@dataclass(frozen=True, kw_only=True)
class Saved(Event):
    """Image `index` of the run is safe on disk as the PNG `path`.

    seed: makes it again; with the variation_seed, where the run has a variation_strength.
    """

    index: int
    seed: int
    path: str
    width: int
    height: int
    variation_seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Finished(Event):
    """
    seconds: of the whole run, loading included.
    loaded: names of the components that this run had to load; empty when all were in memory.
    figures: `load_seconds`, `denoise_seconds`, `previews` (number sent), `preview_seconds`.
    trace: one value for each call of the model, those of the last images that were drawn at once:
        `sigma`, `timestep`, and the root mean squares of `x`, `x0` and `eps` of the first of them,
        in x = x0 + sigma * eps.
    """

    seconds: float
    loaded: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    trace: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def drawing(self) -> float:
        """Seconds of the run without loading, or of the whole where that is not told apart."""
        return self.figures.get("denoise_seconds", self.seconds)


@dataclass(frozen=True, kw_only=True)
class Cancelled(Event):
    """Stopped on request in or after step `step` (0: before the first)."""

    step: int = 0


@dataclass(frozen=True, kw_only=True)
class Failed(Event):
    """`message` is written for the person who asked for the run.

    pictures: PNGs of finished images that could not be saved.
    """

    message: str
    pictures: tuple[bytes, ...] = ()


TERMINAL = (Finished, Cancelled, Failed)
