"""Whether pictures make themselves again: random runs, each repeated from its PNG alone.

Runs of small random checkpoints over all tasks, samplers and settings, many of them changed on
their way. What `recall` reads of each PNG is run again, with the pictures that are kept, and must
give the same file, byte for byte. Run it from the root of the repository:

    python -m benchmarks.replays --runs 100
"""

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import EngineError, RequestError
from engine.pipelines.request import Request
from engine.pipelines.tasks import FIELDS
from engine.schedulers.schedule_types import SCHEDULE_TYPES
from engine.service import Service
from engine.service.events import Failed, Saved, Step
from engine.service.recall import recall
from tests.conftest import make_checkpoint, make_ddpm_checkpoint
from tests.pipelines.parity import blob, painting
from tests.samplers import SAMPLERS
from tests.service.pictures import png, serving

OWNER = "replays"
MODELS = {
    "text-to-image": ("tiny",),
    "image-to-image": ("tiny",),
    "inpaint": ("tiny", "tiny-inpaint"),
    "depth-to-image": ("tiny-depth",),
    "unconditional": ("tiny-ddpm",),
}
"""Task -> small checkpoints that can do it."""


@dataclass
class Replays:
    """tasks: how many runs of each were repeated. changed: how many of them were on their way.
    different: what was not the same again."""

    tasks: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    different: list[str] = field(default_factory=list)


def make_models(folder: Path) -> Path:
    """A folder with the small checkpoints."""
    for name, channels in {"tiny": 4, "tiny-inpaint": 9, "tiny-depth": 5}.items():
        make_checkpoint(folder / name, channels=channels)
    make_ddpm_checkpoint(folder / "tiny-ddpm")
    return folder


def draw_request(pick: random.Random, given: dict[str, str]) -> Request:
    """Any run. given: names of pictures by the field that they are for."""
    task = pick.choice(list(MODELS))
    values: dict[str, Any] = {
        "task": task,
        "model": pick.choice(MODELS[task]),
        "scheduler": pick.choice(["", *SAMPLERS]),
        "steps": pick.randint(3, 12),
        "seed": pick.randrange(2**32 - 100),
        "count": pick.randint(1, 3),
        "batch_size": pick.randint(1, 3),
    }
    if pick.random() < 0.3:
        values["schedule_type"] = pick.choice(list(SCHEDULE_TYPES))
    if pick.random() < 0.3:
        values |= {"variation_strength": pick.random(), "variation_seed": pick.randrange(2**31)}
    offers: dict[str, Any] = {
        "prompt": pick.choice(["a", "a b c", "größer, (b:1.2)", "b " * 40]),
        "negative_prompt": pick.choice(["", "c"]),
        "guidance_scale": pick.choice([1.0, 3.5, 7.0, 12.3]),
        "strength": pick.uniform(0.4, 1.0),
        "fit": pick.choice(["crop", "resize", "fill"]),
        "fill": pick.choice(["original", "noise", "blank"]),
        "mask_blur": pick.randint(0, 6),
        "padding": pick.choice([None, 0, 8]),
        "invert_mask": pick.random() < 0.3,
        **given,
    }
    if pick.random() < 0.5:
        offers["depth_map"] = ""
    used = {name: value for name, value in offers.items() if name in FIELDS[task]}
    return Request(**{**values, **used})


async def run(service: Service, asked: Request, pick: random.Random | None = None) -> list[Path]:
    """The files of a run. pick: what changes it on its way. Raises EngineError."""
    job = service.submit(asked, OWNER)
    files = []
    async for event in service.events(job, OWNER):
        if isinstance(event, Step) and pick and pick.random() < 0.2:
            change: dict[str, Any] = pick.choice(
                [
                    {"scheduler": pick.choice(SAMPLERS)},
                    {"guidance_scale": pick.choice([1.0, 2.0, 9.0])},
                    {"steps": pick.randint(3, 12)},
                ]
            )
            service.change(job, OWNER, **change)
        if isinstance(event, Saved):
            files.append(Path(event.path))
        if isinstance(event, Failed):
            raise EngineError(f"{event.message} ({asked})")
    return files


async def repeat(service: Service, path: Path) -> bool:
    """Whether a picture makes itself again."""
    told = recall(path.read_bytes())
    again = await run(service, Request.from_dict(told.settings))
    return again[told.index].read_bytes() == path.read_bytes()


async def measure(runs: int, service: Service, seed: int = 0) -> Replays:
    """Repeat one picture of each of so many random runs."""
    pick, done = random.Random(seed), Replays()
    given = {"image": png(painting(90, 70)), "depth_map": png(painting(64, 64).convert("L"))}
    given["mask"] = png(blob((20, 10, 60, 50), 90, 70))
    names = {field: service.take(data, OWNER) for field, data in given.items()}
    while sum(done.tasks.values()) < runs:
        asked = draw_request(pick, names)
        try:
            files = await run(service, asked, pick)
        except RequestError:  # that sampler and schedule type do not go together
            continue
        path = pick.choice(files)
        done.tasks[asked.task] += 1
        done.changed += bool(recall(path.read_bytes()).settings.get("changes"))
        if not await repeat(service, path):
            done.different.append(str(asked))
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        models = make_models(Path(folder) / "models")
        with serving(models, Path(folder) / "outputs") as service:
            done = asyncio.run(measure(options.runs, service, options.seed))
    tasks = ", ".join(f"{count} {task}" for task, count in sorted(done.tasks.items()))
    print(f"{options.runs} runs ({tasks}), {done.changed} of them changed on their way:")
    print(f"{len(done.different)} differ from their pictures when repeated")
    for asked in done.different:
        print(asked)
    return 1 if done.different else 0


if __name__ == "__main__":
    raise SystemExit(main())
