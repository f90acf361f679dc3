"""Whether memory grows with the jobs: many of them, and that of both processes after each.

The jobs are of all that the models at hand can draw, in several sizes and by several samplers, for
several owners; some are cancelled, and some fail, of a checkpoint with a file cut short. Prints by
how much the memory grows a job, as the slope of the line through the figures by least squares, and
the open files and threads of both processes. The first half of the jobs is apart: a service keeps
its latest 256 jobs. Needs the folder /proc. Run it from the root of the repository:

    python -m benchmarks.endurance --jobs 500
"""

import asyncio
import io
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import linear_regression

from PIL import Image

from benchmarks.service import MODELS, about, counted, counting, follow, ready, serving
from engine.checkpoints.catalog import ModelInfo, find_model, list_models
from engine.pipelines.request import Request
from engine.service import ProcessWorker, Service
from engine.service.events import Cancelled, Failed, Finished, Step

TASKS = ("text-to-image", "image-to-image", "unconditional")
SIZES = ((0, 0), (64, 64), (128, 64), (96, 128))
SAMPLERS = ("", "Euler", "Euler a", "Heun", "DPM++ 2M Karras", "UniPC")
OWNERS = tuple(f"owner {number}" for number in range(5))
CUT = "cut-short"
ENDS = {"finish": (Finished,), "cancel": (Cancelled, Finished), "fail": (Failed,)}
"""How a job may end, by what is done with it: a cancel may come too late."""
AIM = 0.1
"""MB a job, of either process and of both together."""
ENOUGH = 100
"""Jobs from which on the slope says something."""
SIDES = ("service", "worker", "both")


@dataclass(frozen=True)
class Process:
    """What a process has. memory: resident, in MB; files: open descriptors."""

    memory: float
    files: int
    threads: int


@dataclass(frozen=True)
class Endurance:
    """memory: after each job, of the service's process and of the worker, in MB. start, end: of
    the two processes. ended: how many jobs ended how. broken: those that ended otherwise than they
    should.
    """

    memory: list[tuple[float, float]]
    start: tuple[Process, Process]
    end: tuple[Process, Process]
    ended: Counter[str]
    broken: list[str]

    def slopes(self, first: int = 0) -> dict[str, float]:
        """MB a job from job `first` on, by SIDES."""
        rows = [(*pair, sum(pair)) for pair in self.memory[first:]]
        return {
            side: linear_regression(range(len(rows)), column).slope
            for side, column in zip(SIDES, zip(*rows, strict=True), strict=True)
        }

    @property
    def grows(self) -> bool:
        """Whether the second half grew by more than the aim, in jobs enough to tell."""
        count = len(self.memory)
        return count >= ENOUGH and max(self.slopes(count // 2).values()) > AIM


def look(pid: int) -> Process:
    """A process as it is now."""
    place = Path(f"/proc/{pid}")
    pages = int((place / "statm").read_text().split()[1])
    files, threads = (len(os.listdir(place / name)) for name in ("fd", "task"))
    return Process(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, files, threads)


@contextmanager
def spoilt(models: Path) -> Iterator[Path]:
    """A folder with the models of another, and one more whose weights are cut short."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for info in list_models(models):
            (folder / info.name).symlink_to(info.path)
        path = kinds(models)[0][0].path
        cut = shutil.copytree(path, folder / CUT)
        weights = max(cut.rglob("*.safetensors"), key=lambda file: file.stat().st_size)
        os.truncate(weights, weights.stat().st_size - 1000)
        yield folder


def kinds(models: Path) -> list[tuple[ModelInfo, str]]:
    """Every model of a folder with each of its tasks that is asked for here."""
    return [
        (info, task)
        for info in list_models(models)
        for task in info.tasks
        if task in TASKS and info.name != CUT
    ]


class Trial:
    """Gives jobs to one service, and looks at both processes after each."""

    def __init__(self, service: Service, models: Path, pid: int, rng: random.Random) -> None:
        self._service, self._rng = service, rng
        self._pids = (os.getpid(), pid)
        self._cut = find_model(models, CUT)
        self._kinds = kinds(models)
        self.memory: list[tuple[float, float]] = []
        self.ended: Counter[str] = Counter()
        self.broken: list[str] = []

    def look(self) -> tuple[Process, Process]:
        service, worker = map(look, self._pids)
        return service, worker

    async def go(self, jobs: int) -> None:
        """Do so many jobs, as many at once in line as there are owners."""
        for first in range(0, jobs, len(OWNERS)):
            await asyncio.gather(*map(self._do, OWNERS[: jobs - first]))

    async def _do(self, owner: str) -> None:
        fate = self._rng.choices(tuple(ENDS), (17, 2, 1))[0]
        info, task = self._rng.choice(self._kinds)
        if fate == "fail":
            info, task = self._cut, self._cut.tasks[0]
        job = self._service.submit(self._request(info, task, owner), owner)
        if fate == "cancel":
            await follow(self._service, job, owner, until=lambda event: isinstance(event, Step))
            self._service.cancel(job, owner)
        last = (await follow(self._service, job, owner))[-1]
        service, worker = self.look()
        self.memory.append((service.memory, worker.memory))
        self.ended[type(last).__name__.lower()] += 1
        if not isinstance(last, ENDS[fate]):
            self.broken.append(f"a job of {info.name} to {fate} ended as {last}")

    def _request(self, info: ModelInfo, task: str, owner: str) -> Request:
        rng = self._rng
        plain = Request(
            info.name,
            task=task,
            seed=rng.randrange(2**31),
            steps=rng.randint(2, 6),
            count=rng.randint(1, 3),
            batch_size=rng.randint(1, 2),
        )
        if task == "unconditional":
            return plain
        width, height = rng.choice(SIZES)
        image = self._picture(owner) if task == "image-to-image" else ""
        return replace(
            plain,
            prompt="a red sphere",
            scheduler=rng.choice(SAMPLERS),
            width=width,
            height=height,
            image=image,
        )

    def _picture(self, owner: str) -> str:
        """A picture of this owner that a run may begin with, one never seen before."""
        file = io.BytesIO()
        size = self._rng.randint(64, 300), self._rng.randint(64, 300)
        Image.new("RGB", size, (self._rng.randrange(256), 90, 30)).save(file, "PNG")
        return self._service.take(file.getvalue(), owner)


async def measure(models: Path, jobs: int, seed: int = 0) -> Endurance:
    """Do so many jobs of the models in a folder."""
    with (
        spoilt(models) as folder,
        serving(lambda: ProcessWorker("auto", "auto", folder), folder) as (service, _),
    ):
        trial = Trial(service, folder, await ready(service), random.Random(seed))
        print(about(service.status))
        start = trial.look()
        await trial.go(jobs)
        return Endurance(trial.memory, start, trial.look(), trial.ended, trial.broken)


def report(found: Endurance) -> None:
    """Print slopes, and both processes at the start and at the end."""
    count = len(found.memory)
    ended = ", ".join(f"{number} {name}" for name, number in sorted(found.ended.items()))
    print(f"jobs: {count}: {ended}")
    for name, first in (("all", 0), ("second half", count // 2)):
        slopes = ", ".join(f"{side} {slope:+.4f}" for side, slope in found.slopes(first).items())
        print(f"MB a job, {name + ':':13}{slopes} (aim {AIM})")
    for side, start, end in zip(SIDES, found.start, found.end, strict=False):
        print(
            f"{side + ':':9}{start.memory:.0f} MB, {start.files} files, {start.threads} threads; "
            f"in the end {end.memory:.0f} MB, {end.files} files, {end.threads} threads"
        )
    for broken in found.broken:
        print(broken)


def main() -> None:
    """Parse the arguments, measure, print; the exit status is 1 when memory grows, or a job did
    not end as it should."""
    parser = counting(__doc__, "jobs", 500, "how many")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of model folders")
    options = counted(parser, "jobs", least=4)
    found = asyncio.run(measure(options.models.resolve(), options.jobs, options.seed))
    report(found)
    sys.exit(found.grows or bool(found.broken))


if __name__ == "__main__":
    main()
