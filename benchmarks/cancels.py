"""How soon a cancelled job ends: it is cancelled in every phase of a run, and promises are checked.

The phases: it waits, is loaded, denoised, decoded, or one of its images is on disk while others are
drawn or written. Each time at most one step more may be made; the job must end as cancelled, or as
finished where it was all but over; the jobs before and behind it must draw what they drew in peace,
to the bit; and no file may be left that was not announced. Prints the time from the cancel to the
end beside that of one step. Run it from the root of the repository:

    python -m benchmarks.cancels --times 100
"""

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from benchmarks.service import (
    MODELS,
    OWNER,
    about,
    copied,
    counted,
    counting,
    follow,
    moment,
    pixels,
    ready,
    renew,
    serving,
    strays,
)
from engine.pipelines.request import Request
from engine.service import ProcessWorker, Service
from engine.service.events import Cancelled, Event, Finished, Step

PHASES = ("queued", "loading", "denoising", "decoding", "saving")
OVER = ("decoding", "saving")
"""Phases in which a run may be over before the cancel arrives."""
SIDE = 128
COUNT = 3
"""Of the pictures, in pixels, and of how many there are: a step takes longer than a message."""


@dataclass(frozen=True)
class Cut:
    """
    finished: whether the run was over before the cancel arrived.
    steps: made after the cancel was sent; 0 in the phase `saving`, where the images begin anew.
    seconds: from the cancel to the end. pace: seconds of each step of all images at once.
    broken: promises that were not kept.
    """

    phase: str
    finished: bool
    steps: int
    seconds: float
    pace: tuple[float, ...]
    broken: tuple[str, ...]


class Trial:
    """Cancels jobs of one service. model: may be touched."""

    def __init__(self, service: Service, outputs: Path, model: Path, rng: random.Random) -> None:
        self._service, self._outputs, self._model, self._rng = service, outputs, model, rng
        self._calm = Request(model.name, "a red sphere", steps=3, seed=7)
        self._request = replace(self._calm, steps=5, count=COUNT, width=SIDE, height=SIDE)
        self._parts: tuple[str, ...] = ()
        self._expected: list[bytes] = []

    async def prepare(self) -> None:
        """Load the model, and draw in peace what is drawn beside every job that is cancelled."""
        await ready(self._service)
        events = await follow(self._service, self._submit(self._calm))
        assert isinstance(events[-1], Finished), events[-1]
        self._parts, self._expected = events[-1].loaded, pixels(events)

    async def cut(self, phase: str) -> Cut:
        """Cancel a job in a phase, and see what comes of it."""
        if phase == "loading":
            renew(self._model)
        # Of several images either the next is drawn while one is written, or all are written.
        size = self._rng.choice((1, COUNT)) if phase == "saving" else COUNT
        request = replace(self._request, batch_size=size)
        others = [self._submit(self._calm)] if phase == "queued" else []
        job = self._submit(request)
        others.append(self._submit(self._calm))
        until = moment(phase, request, self._parts, self._rng)
        events = await follow(self._service, job, until=until)
        sent, began = time.time(), time.perf_counter()
        self._service.cancel(job, OWNER)
        events = await follow(self._service, job, after=events)
        seconds = time.perf_counter() - began
        broken = [text for other in others for text in await self._unlike(other)]
        steps = 0 if phase == "saving" else steps_after(events, sent)
        if steps > 1:
            broken.append(f"{steps} steps were made after the cancel")
        finished = isinstance(events[-1], Finished)
        if not isinstance(events[-1], Cancelled) and not (finished and phase in OVER):
            broken.append(f"the job ended as {events[-1]}")
        pixels(events)
        broken += [f"{name} is left" for name in strays(self._outputs)]
        taken = pace(events) if size == COUNT else ()
        return Cut(phase, finished, steps, seconds, taken, tuple(broken))

    def _submit(self, request: Request) -> str:
        return self._service.submit(request, OWNER)

    async def _unlike(self, job: str) -> list[str]:
        """What is wrong with a job that was left in peace."""
        events = await follow(self._service, job)
        if pixels(events) == self._expected and isinstance(events[-1], Finished):
            return []
        return [f"a job beside it drew another picture, or ended as {events[-1]}"]


def steps_after(events: Sequence[Event], sent: float) -> int:
    """How many steps more a job made after a cancel that was sent at a unix time."""
    made = [event.step for event in events if isinstance(event, Step)]
    before = [event.step for event in events if isinstance(event, Step) and event.time <= sent]
    return max(made, default=0) - max(before, default=0)


def pace(events: Sequence[Event]) -> tuple[float, ...]:
    """Seconds of each step but the first of an image, which pays for what is made once."""
    steps = [event for event in events if isinstance(event, Step)]
    return tuple(
        new.seconds - old.seconds for old, new in pairwise(steps) if new.step == old.step + 1
    )


async def measure(model: Path, times: int, seed: int = 0) -> list[Cut]:
    """Cancel jobs, so often in each phase; the phases take turns."""
    with (
        copied(model) as copy,
        serving(lambda: ProcessWorker("auto", "auto", copy.parent), copy.parent) as (
            service,
            outputs,
        ),
    ):
        trial = Trial(service, outputs, copy, random.Random(seed))
        await trial.prepare()
        print(about(service.status))
        cuts = []
        for number in range(1, times + 1):
            for phase in PHASES:
                cuts.append(await trial.cut(phase))
                for broken in cuts[-1].broken:
                    print(f"{phase}, number {number}: {broken}", flush=True)
    return cuts


def report(cuts: Sequence[Cut]) -> None:
    """Print a line for each phase."""
    step = 1000 * statistics.median(seconds for cut in cuts for seconds in cut.pace)
    print(f"one step: median {step:.1f} ms, n = {sum(len(cut.pace) for cut in cuts)}")
    print("from the cancel to the end, in ms:")
    for phase in PHASES:
        some = [cut for cut in cuts if cut.phase == phase]
        taken = [1000 * cut.seconds for cut in some]
        most = max(cut.steps for cut in some)
        steps = "" if phase == "saving" else f", at most {most} steps more"
        median = statistics.median(taken)
        print(
            f"  {phase:10} median {median:7.1f}, worst {max(taken):7.1f}, {median / step:5.2f} "
            f"steps, n = {len(some)}, finished before {sum(cut.finished for cut in some)}{steps}"
        )
    print(f"broken promises: {sum(len(cut.broken) for cut in cuts)}")


def main() -> None:
    """Parse the arguments, measure, print; the exit status is 1 when a promise was broken."""
    parser = counting(__doc__, "times", 100, "in each phase")
    parser.add_argument("--model", type=Path, default=MODELS / "tabletop")
    options = counted(parser, "times")
    cuts = asyncio.run(measure(options.model.resolve(), options.times, options.seed))
    report(cuts)
    sys.exit(any(cut.broken for cut in cuts))


if __name__ == "__main__":
    main()
