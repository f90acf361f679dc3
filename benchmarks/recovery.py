"""What a worker's death costs: it is killed again and again, and the promises are checked.

The kills are spread over what a worker does: it has just been given a job, loads, denoises,
decodes, saves, is idle, or starts. Each time the job that ran must fail with its plain message, or
be done by the next worker if it had not begun; the jobs behind it must be done, by exactly one new
worker; and no process may be left. Prints the time from a kill until the next worker is ready
beside that of a plain start, measured after each kill. For a kill while one starts, a worker that
was ready is killed before; the service then waits for a second, which counts. Run it from the root
of the repository:

    python -m benchmarks.recovery --kills 50
"""

import asyncio
import logging
import os
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.service import (
    MODELS,
    OWNER,
    POLL,
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
from engine.service.events import TERMINAL, Event, Failed, Finished, Queued

PHASES = ("taken", "loading", "denoising", "decoding", "saving", "idle", "starting")
WITHOUT = ("idle", "starting")
"""Phases in which no job runs."""
MESSAGE = (
    "The engine's process stopped unexpectedly (signal 9, perhaps out of memory). "
    "A new one is starting; your other jobs go on."
)
DELAY = 0.05
"""Seconds at most from the event that opens a phase to the kill."""
SHARE = 0.8
"""Part of the quickest start within which a worker that starts is killed."""


class NotedWorker(ProcessWorker):
    """Adds the ids of its processes to a list."""

    def __init__(self, models: Path, pids: list[int]) -> None:
        super().__init__("auto", "auto", models)
        self._pids = pids

    def start(self) -> None:
        super().start()
        self._pids.append(self._process.pid)


@dataclass(frozen=True)
class Kill:
    """
    jobs: how many there were. outcome: of the one that ran: failed, or repeated by the next worker;
        "" where none ran.
    seconds: from the kill to the next worker that is ready. plain: of a plain start after it.
    broken: promises that were not kept.
    """

    phase: str
    jobs: int
    outcome: str
    seconds: float
    plain: float
    broken: tuple[str, ...]


class Trial:
    """Kills the worker of one service. model: may be touched. parts: what is loaded of it."""

    def __init__(
        self, service: Service, outputs: Path, model: Path, pids: list[int], rng: random.Random
    ) -> None:
        self._service, self._outputs, self._model = service, outputs, model
        self._pids, self._rng = pids, rng
        self._request = Request(model.name, "a red sphere", steps=6, count=2, batch_size=2)
        self._parts: tuple[str, ...] = ()
        self._plain: list[float] = []

    async def prepare(self) -> None:
        """The first start, and a first run, which loads the model."""
        began = time.perf_counter()
        await ready(self._service)
        self._plain.append(time.perf_counter() - began)
        events = await follow(self._service, self._submit(OWNER))
        assert isinstance(events[-1], Finished), events[-1]
        self._parts = events[-1].loaded
        pixels(events)

    async def kill(self, phase: str) -> Kill:
        """Kill the worker in a phase, and see what comes of it."""
        before = len(self._pids)
        jobs = [] if phase in WITHOUT else self._queue()
        await self._reach(phase, jobs)
        pid, began = self._pids[-1], time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        while self._service.status["pid"] == pid:
            await asyncio.sleep(POLL)
        dead = time.time()
        jobs = jobs or self._queue()
        new = await ready(self._service, pid)
        seconds = time.perf_counter() - began
        told = [await follow(self._service, *job) for job in jobs]
        outcome, broken = judge(told, dead)
        deaths = 2 if phase == "starting" else 1
        broken += self._leavings(self._pids[before - 1 :], deaths, new)
        for events in told:
            pixels(events)
        broken += [f"{name} is left" for name in strays(self._outputs)]
        if phase in WITHOUT and outcome == "repeated":  # it was given to no worker before
            outcome = ""
        plain = await self._start_plainly()
        return Kill(phase, len(jobs), outcome, seconds, plain, tuple(broken))

    def _submit(self, owner: str) -> str:
        return self._service.submit(self._request, owner)

    def _queue(self) -> list[tuple[str, str]]:
        """Three jobs and their owners; they take turns in this order."""
        return [(self._submit(owner), owner) for owner in (OWNER, "somebody", OWNER)]

    async def _reach(self, phase: str, jobs: Sequence[tuple[str, str]]) -> None:
        """Wait for a moment within a phase of the worker or of the first job."""
        delay = self._rng.uniform(0, DELAY)
        if phase == "starting":
            started = len(self._pids)
            os.kill(self._pids[-1], signal.SIGKILL)
            while len(self._pids) == started:
                await asyncio.sleep(POLL)
            delay = self._rng.uniform(0, SHARE * min(self._plain))
        elif phase not in ("taken", "idle"):
            until = moment(phase, self._request, self._parts, self._rng)
            await follow(self._service, *jobs[0], until=until)
        await asyncio.sleep(delay)

    def _leavings(self, pids: Sequence[int], deaths: int, new: int) -> list[str]:
        """What is wrong with the processes. pids: of those that died, and of the new one."""
        status, broken = self._service.status, []
        if len(pids) != deaths + 1 or pids[-1] != new or new in pids[:-1]:
            broken.append(f"processes {pids} were started for {deaths} deaths; {new} was ready")
        if (status["state"], status["pid"], status["message"]) != ("ready", new, ""):
            broken.append(f"in the end the status is {status}")
        return broken + [f"process {pid} is left" for pid in pids[:-1] if _exists(pid)]

    async def _start_plainly(self) -> float:
        """Seconds until the worker of another service is ready."""
        models = self._model.parent
        began = time.perf_counter()
        with serving(lambda: ProcessWorker("auto", "auto", models), models) as (service, _):
            await ready(service)
            self._plain.append(time.perf_counter() - began)
        return self._plain[-1]


def judge(jobs: Sequence[Sequence[Event]], dead: float) -> tuple[str, list[str]]:
    """What became of the job that ran when a worker was found dead, at a unix time: failed or
    repeated; and what is wrong. jobs: their events, in the order in which they were to run.
    """
    left = [events for events in jobs if not (_done(events) and events[-1].time <= dead)]
    if not left:
        return "", []
    first, *others = left
    outcome, broken = "repeated", [f"a job behind ended as {e[-1]}" for e in others if not _done(e)]
    begun = any(e.time <= dead and not isinstance(e, (Queued, *TERMINAL)) for e in first)
    last = first[-1]
    if begun or not _done(first):
        outcome = "failed"
        if not (begun and isinstance(last, Failed) and last.message == MESSAGE):
            broken.append(f"the job that ran had {'' if begun else 'not '}begun, ended as {last}")
    return outcome, broken


def _done(events: Sequence[Event]) -> bool:
    return isinstance(events[-1], Finished)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def measure(model: Path, phases: Sequence[str], seed: int = 0) -> list[Kill]:
    """Kill a worker once in each of `phases`."""
    pids: list[int] = []
    with (
        copied(model) as copy,
        serving(lambda: NotedWorker(copy.parent, pids), copy.parent) as (service, outputs),
    ):
        trial = Trial(service, outputs, copy, pids, random.Random(seed))
        await trial.prepare()
        print(about(service.status))
        kills = []
        for number, phase in enumerate(phases, 1):
            if phase == "loading":
                renew(copy)
            kills.append(await trial.kill(phase))
            for broken in kills[-1].broken:
                print(f"kill {number}, {phase}: {broken}", flush=True)
    return kills


def report(kills: Sequence[Kill]) -> None:
    """Print counts, medians, and the worst."""
    outcomes = Counter(kill.outcome for kill in kills)
    failed, repeated = outcomes["failed"], outcomes["repeated"]
    finished = sum(kill.jobs for kill in kills) - failed
    plain = statistics.median(kill.plain for kill in kills)
    print(f"kills: {len(kills)}")
    for phase in PHASES:
        print(f"  {phase:10}{sum(kill.phase == phase for kill in kills):5}")
    print(f"jobs: {failed} failed, {finished} finished, {repeated} of them repeated")
    print(f"plain start:                   median {plain:.2f} s, n = {len(kills)}")
    kinds = {
        "a worker that was ready": [kill for kill in kills if kill.phase != "starting"],
        "one that started": [kill for kill in kills if kill.phase == "starting"],
    }
    for kind, some in kinds.items():
        if some:
            seconds = [kill.seconds for kill in some]
            # Within a pair, so that a slow spell of the machine falls on both.
            ratio = statistics.median(kill.seconds / kill.plain for kill in some)
            print(
                f"after {kind + ':':25}median {statistics.median(seconds):.2f} s, worst "
                f"{max(seconds):.2f} s, ratio {ratio:.2f} (median of pairs), n = {len(some)}"
            )
    print(f"broken promises: {sum(len(kill.broken) for kill in kills)}")


def main() -> None:
    """Parse the arguments, measure, print; the exit status is 1 when a promise was broken."""
    parser = counting(__doc__, "kills", 50, "how many")
    parser.add_argument("--model", type=Path, default=MODELS / "tabletop")
    options = counted(parser, "kills")
    logging.disable(logging.WARNING)  # the service tells every death
    rng = random.Random(options.seed)
    phases = [PHASES[number % len(PHASES)] for number in range(options.kills)]
    rng.shuffle(phases)
    kills = asyncio.run(measure(options.model.resolve(), phases, options.seed))
    report(kills)
    sys.exit(any(kill.broken for kill in kills))


if __name__ == "__main__":
    main()
