"""How long the index of many pictures takes: to be made from the files, to show, to search.

Writes small PNGs with records of their own into a temporary folder. Prints medians. Run it from the
root of the repository:

    python -m benchmarks.history --pictures 10000
"""

import argparse
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from PIL import Image

from engine.pipelines.request import Request
from engine.service.index import Index, Wanted, owner_folder
from engine.service.metadata import describe, encode_png

AIMS = {"made from the files": 60.0, "first page": 0.3, "last page": 0.3, "search": 0.2}
"""Seconds for 10,000."""
PAGE = 60
WORDS = ("red", "blue", "green", "ball", "cube", "cone", "shiny", "large", "wooden", "night")


def fill(outputs: Path, count: int) -> str:
    """Write so many pictures of one owner, and return the owner."""
    owner, pick = "benchmark", random.Random(0)
    picture = Image.new("RGB", (16, 16))
    for number in range(count):
        folder = outputs / owner_folder(owner) / f"2026-01-{number * 28 // count + 1:02}"
        folder.mkdir(parents=True, exist_ok=True)
        asked = Request("tabletop", " ".join(pick.choices(WORDS, k=6)), seed=number)
        record = describe(asked, index=0, size=(16, 16), made={"device": "cpu"})
        path = folder / f"job{number:06}-0.png"
        path.write_bytes(encode_png(picture, record))
        os.utime(path, (number, number))
    return owner


def show(index: Index, owner: str, wanted: Wanted, skip: int = 0) -> None:
    """All that the History tab asks for."""
    index.pictures(owner, wanted, skip, PAGE)
    index.count(owner, wanted)
    index.size(owner)
    index.spare(owner, 0, 1000)
    for name in ("task", "model", "scheduler"):
        index.values(owner, name)


def timed(act: Callable[[], object], times: int) -> float:
    """The median of so many."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def measure(count: int, times: int) -> dict[str, float]:
    """What is timed -> seconds, as in AIMS."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder)
        owner = fill(outputs, count)
        index = Index(outputs)
        made = timed(index.match, 1)
        assert index.count(owner, Wanted()) == count
        words = [" ".join(pair) for pair in pairwise(WORDS)]
        figures = {
            "made from the files": made,
            "first page": timed(partial(show, index, owner, Wanted()), times),
            "last page": timed(partial(show, index, owner, Wanted(), count - PAGE), times),
            "search": statistics.median(
                timed(partial(show, index, owner, Wanted(word)), times)
                for word in [*words, "nothing holds this"]
            ),
        }
        index.close()
        return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=21, help="of each but the first")
    options = parser.parse_args(arguments)
    print(f"{platform.platform()}, Python {platform.python_version()}, {options.pictures} pictures")
    for name, seconds in measure(options.pictures, options.times).items():
        print(f"{name:20} {1000 * seconds:10.1f} ms (aim for 10,000: {1000 * AIMS[name]:.0f})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
