"""Whether broken checkpoints are refused, each at once and by an error that says what to do.

Loads every one of `benchmarks.broken_cases`, and others that chance makes of a seed, in one
process. Prints how many were refused by an error that names file and cause, how long the slowest
took, by how much the memory that is the process's own grew at most, and whether a model that was
loaded before still draws the same picture. Needs the folder /proc. Run it from the root of the
repository:

    python -m benchmarks.broken
"""

import argparse
import platform
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import numpy as np
import torch
import transformers

from benchmarks.broken_cases import broken, fuzzed
from engine import DiffusionPipeline
from engine.errors import CheckpointError
from tests.conftest import make_checkpoint

SECONDS, MEMORY = 0.1, 64
"""The most that a refusal may take, of this thread; MB, of which a library needs some at first."""
TRIES = 4
"""More for those that took longer, of which the shortest counts."""


@dataclass
class Tally:
    """refused: milliseconds, of one name each. loaded: what was whole. wrong: what went
    otherwise."""

    refused: list[tuple[float, str]] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)


class Memory:
    """Looks again and again how much memory is the process's own: at the peak, in MB."""

    def __init__(self) -> None:
        self.peak = self.now()
        self._end = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    @staticmethod
    def now() -> float:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("RssAnon:")[2].split()[0]) / 1024

    def _watch(self) -> None:
        while not self._end.wait(0.002):
            self.peak = max(self.peak, self.now())

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def copy(whole: Path, place: Path) -> None:
    """A copy that may be spoilt."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(whole, place)


def attempt(
    place: Path, name: str, words: Sequence[str], tally: Tally, may_load: bool = False
) -> None:
    """Load what is in a folder. words: what the error has to say beside the folder."""
    began = time.thread_time()
    try:
        DiffusionPipeline.from_pretrained(place)
    except CheckpointError as error:
        seconds, text = time.thread_time() - began, str(error)
        for _ in range(TRIES if seconds > SECONDS else 0):  # on a busy machine one says little
            began = time.thread_time()
            with suppress(CheckpointError):
                DiffusionPipeline.from_pretrained(place)
            seconds = min(seconds, time.thread_time() - began)
        lacks = [word for word in (str(place), *words) if word not in text]
        if lacks or len(text) > 2000:
            tally.wrong[name] = f"says not {lacks}: {text[:300]}"
        else:
            tally.refused.append((seconds * 1000, name))
    except Exception as error:
        tally.wrong[name] = f"{type(error).__name__}: {str(error)[:300]}"
    else:
        if may_load:
            tally.loaded.append(name)
        else:
            tally.wrong[name] = "was loaded"


def draw(pipeline: DiffusionPipeline) -> np.ndarray:
    """A picture of a loaded model."""
    generator = torch.Generator().manual_seed(0)
    call = {"num_inference_steps": 2, "generator": generator, "output_type": "np"}
    return np.asarray(pipeline("a", **call).images)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, load all, print the figures; returns how many went wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--fuzz", type=int, default=300, help="how many by chance")
    parser.add_argument("--seed", type=int, default=0, help="of the first of those")
    options = parser.parse_args(arguments)
    print(f"{platform.platform()}, Python {platform.python_version()}, torch {torch.__version__}")
    transformers.utils.logging.disable_progress_bar()
    tally, chance, kinds = Tally(), Tally(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        whole, place = make_checkpoint(Path(folder, "whole")), Path(folder, "broken")
        pipeline = DiffusionPipeline.from_pretrained(whole)
        before = draw(pipeline)
        with Memory() as memory:
            start = memory.peak
            for one in broken():
                kinds[one.kind] += 1
                copy(whole, place)
                one.damage(place)
                attempt(place, f"{one.kind}: {one.name}", one.words, tally)
            for seed in range(options.seed, options.seed + options.fuzz):
                name, damage = fuzzed(seed)
                copy(whole, place)
                damage(place)
                attempt(place, f"chance {seed}: {name}", (), chance, may_load=True)
        same = np.array_equal(before, draw(pipeline))
    print(", ".join(f"{count} {kind}" for kind, count in kinds.items()))
    print(f"{len(tally.refused)} of {kinds.total()} refused by file and cause")
    print(f"{len(chance.refused)} of {options.fuzz} by chance refused, {len(chance.loaded)} loaded")
    times = sorted(tally.refused + chance.refused, reverse=True)
    late = [name for took, name in times if took > SECONDS * 1000]
    print(f"{len(late)} of those took more than {SECONDS * 1000:.0f} ms; the slowest:")
    for took, name in times[:5]:
        print(f"{took:10.1f} ms  {name}")
    print(f"peak of own memory {memory.peak - start:+.1f} MB")
    print(f"the model loaded before draws {'the same' if same else 'ANOTHER'} picture")
    wrong = tally.wrong | chance.wrong
    for name, what in wrong.items():
        print(f"WRONG {name}: {what!a}")
    return len(wrong) + len(late) + (not same) + (memory.peak - start > MEMORY)


if __name__ == "__main__":
    raise SystemExit(main())
