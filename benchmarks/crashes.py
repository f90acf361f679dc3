"""Whether what was announced is there after the app is killed: again and again, at any moment.

A process saves pictures, makes some of them favourites and puts others into the trash, and says so
after each; it is killed with SIGKILL, and another goes on in the same folder. Afterwards each
picture that was announced must be there, whole, and be a favourite or in the trash as was said; no
file that has the name of a picture may be cut off; and the index must agree with the files. Run it
from the root of the repository:

    python -m benchmarks.crashes --kills 1000
"""

import argparse
import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from engine.pipelines.request import Request
from engine.service import Service
from engine.service.events import Failed, Saved
from engine.service.index import FILE, TRASH, Index, Kept, Wanted, owner_folder
from tests.ui.stub import StubWorker, stub_models

OWNER = "crashes"
LONGEST = 1.0
"""Seconds at most from the first word of a process to its end."""
LIMIT = 60


@dataclass
class Told:
    """What was announced: ids of pictures."""

    saved: set[str] = field(default_factory=set)
    favourite: set[str] = field(default_factory=set)
    trashed: set[str] = field(default_factory=set)

    def hear(self, lines: Sequence[str]) -> None:
        """Lines of a process; one that was cut off says nothing."""
        for line in lines:
            if line.endswith("\n"):
                what, id = line.split()
                getattr(self, what).add(id)


async def work(outputs: Path) -> None:
    """Save, and say so, until the process is killed."""
    models = stub_models(outputs.parent / "models")
    service = Service(lambda: StubWorker(models, pace=1e-4), outputs, models)
    service.start()
    pick, index = random.Random(), service.history.index
    while True:
        asked = Request("stub", "a ball", steps=1, count=16)
        job = service.submit(asked, OWNER)
        async for event in service.events(job, OWNER):
            if isinstance(event, Failed):
                raise SystemExit(event.message)
            if not isinstance(event, Saved):
                continue
            id = Path(event.path).stem
            print("saved", id, flush=True)
            if pick.random() < 0.2:
                index.mark(OWNER, id, True)
                print("favourite", id, flush=True)
            if pick.random() < 0.2:
                index.move(OWNER, [id], True)
                print("trashed", id, flush=True)


def crash(outputs: Path, seconds: float) -> list[str]:
    """What a process says until it is killed, so long after its first word."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.crashes", "--work", str(outputs)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first, "a process that saves has failed"
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    rest = process.stdout.readlines()
    assert process.wait(LIMIT) == -signal.SIGKILL, "a process that saves has ended by itself"
    return [first, *rest]


def broken(outputs: Path, told: Told) -> list[str]:
    """The promises that were not kept."""
    problems = []
    with sqlite3.connect(outputs / FILE) as table:
        if (state := table.execute("PRAGMA integrity_check").fetchone()) != ("ok",):
            problems.append(f"the index is damaged: {state}")
    index = Index(outputs)
    index.match()
    kept = dict[str, Kept]()
    for trashed in (False, True):
        many = index.count(OWNER, Wanted(trashed=trashed))
        found = index.pictures(OWNER, Wanted(trashed=trashed), limit=many)
        kept |= {one.id: one for one in found}
    index.close()
    files = {path.stem: path for path in (outputs / owner_folder(OWNER)).rglob("*.png")}
    if files.keys() != kept.keys():
        problems.append(f"index and files differ in {len(files.keys() ^ kept.keys())} pictures")
    for id, path in files.items():
        if id in kept and (TRASH in path.parts) != kept[id].trashed:
            problems.append(f"{id} is in the trash or not, the index says otherwise")
        try:
            with Image.open(path) as image:
                image.load()
        except (OSError, SyntaxError) as error:
            problems.append(f"{id} is cut off: {error}")
    problems += [f"{id} was saved, and is gone" for id in told.saved - files.keys()]
    left = told.saved & kept.keys()
    problems += [f"{id} was a favourite" for id in told.favourite & left if not kept[id].favourite]
    problems += [f"{id} was in the trash" for id in told.trashed & left if not kept[id].trashed]
    return problems


def measure(kills: int, outputs: Path, seed: int = 0) -> tuple[Told, list[str]]:
    """What was announced over so many kills, and what is broken of it."""
    told, problems, pick = Told(), list[str](), random.Random(seed)
    for number in range(kills):
        told.hear(crash(outputs, pick.uniform(0, LONGEST)))
        if number % 20 == 19 or number == kills - 1:  # all of them, each time
            problems += broken(outputs, told)
    return told, problems


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        asyncio.run(work(options.work))
    with tempfile.TemporaryDirectory() as folder:
        told, problems = measure(options.kills, Path(folder) / "outputs", options.seed)
    print(
        f"{options.kills} kills, {len(told.saved)} pictures announced, {len(told.favourite)} "
        f"favourites, {len(told.trashed)} in the trash: {len(problems)} broken promises"
    )
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
