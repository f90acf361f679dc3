"""Speed and memory beside diffusers: the same weights, each library in a process of its own.

The two make their calls in turns, one idle while the other works, with the environment that the
app gives its worker. Prints a Markdown table. Run it from the root of the repository:

    python -m benchmarks.speed
    python -m benchmarks.speed --dtype bfloat16 --case unet --shrink 8 --runs 3
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from safetensors.torch import load_file

from benchmarks.speed_cases import CASES, Case
from engine.service.workers import TUNING

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("engine", "diffusers")
DTYPES = ("float32", "bfloat16", "float16")
HEAD = (
    "what",
    "engine, s",
    "diffusers, s",
    "times faster",
    "difference",
    "share of roof",
    "memory, GB",
)


class Process:
    """`benchmarks.speed_side` for one library; a call of it is a method's name and arguments."""

    def __init__(self, library: str, case: Case, device: str, dtype: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speed_side"],
            cwd=ROOT,
            env=TUNING | os.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        start = {"library": library, "case": asdict(case), "device": device, "dtype": dtype}
        self._say(start)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Raises `RuntimeError` if the process has ended."""
        self._say([name, arguments])
        assert self._process.stdout is not None
        if not (answer := self._process.stdout.readline()):
            raise RuntimeError(f"a process ended with exit status {self._process.wait()}")
        return json.loads(answer)

    def _say(self, message: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


@dataclass(frozen=True)
class Result:
    """One case measured. seconds, peak: by library; roof: operations a second, of each round.

    flops: of one call, None where they were not counted. difference: max|a - b| / max|b|.
    """

    seconds: dict[str, list[float]]
    peak: dict[str, int]
    roof: list[float]
    flops: int | None
    difference: float
    about: dict[str, Any]

    @property
    def ratio(self) -> float:
        """How many times faster the engine is: the median over pairs of neighbouring calls."""
        ours, theirs = (self.seconds[library] for library in LIBRARIES)
        # Within a pair, so that a slow spell of the machine falls on both.
        return statistics.median(b / a for a, b in zip(ours, theirs, strict=True))

    def share(self, library: str) -> float | None:
        """Part of the rate of a large matrix product that a library reaches."""
        if self.flops is None:
            return None
        rate = self.flops / statistics.median(self.seconds[library])
        return rate / statistics.median(self.roof)

    def row(self, title: str) -> tuple[str, ...]:
        """Cells of the table, as HEAD."""
        times = []
        for library in LIBRARIES:
            taken = self.seconds[library]
            times.append(f"{statistics.median(taken):.3g} ({min(taken):.3g} to {max(taken):.3g})")
        shares = [self.share(library) for library in LIBRARIES]
        return (
            title,
            *times,
            f"{self.ratio:.2f}",
            f"{self.difference:.1e}",
            " / ".join("–" if share is None else f"{share:.0%}" for share in shares),
            " / ".join(f"{self.peak[library] / 1e9:.2f}" for library in LIBRARIES),
        )


def measure(case: Case, device: str, dtype: str, runs: int) -> Result:
    """Time `runs` calls of each library in turns, each first in every other pair."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Process("diffusers", case, device, dtype) as maker:
            model = maker("make", str(folder / "model"))
        seconds: dict[str, list[float]] = {library: [] for library in LIBRARIES}
        roof, peak, outputs = [], {}, {}
        with (
            Process("engine", case, device, dtype) as ours,
            Process("diffusers", case, device, dtype) as theirs,
        ):
            sides = dict(zip(LIBRARIES, (ours, theirs), strict=True))
            about = {library: side("load", model) for library, side in sides.items()}
            for side in sides.values():
                side("call")  # what only a first call does
            for number in range(runs):
                for library in LIBRARIES if number % 2 else LIBRARIES[::-1]:
                    seconds[library].append(sides[library]("call"))
                roof.append(ours("roof"))
            flops = ours("flops")
            for library, side in sides.items():
                path = folder / f"{library}.safetensors"
                peak[library] = side("end", str(path))
                outputs[library] = load_file(path)["output"]
    reference = outputs["diffusers"]
    difference = float((outputs["engine"] - reference).abs().max() / reference.abs().max())
    return Result(seconds, peak, roof, flops, difference, about["engine"])


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Markdown of a table under HEAD."""
    lines = [HEAD, ("---",) * len(HEAD), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine(about: dict[str, Any]) -> str:
    """One line on what it ran on."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    parts = [
        about["gpu"] or model,
        f"{os.cpu_count()} cores, {about['threads']} threads",
        f"torch {about['torch']}",
        platform.platform(),
        f"load average {os.getloadavg()[0]:.1f}",
    ]
    return ", ".join(parts)


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=DTYPES, action="append", help="float32 if not given")
    parser.add_argument("--case", choices=CASES, action="append", help="all if not given")
    parser.add_argument("--runs", type=int, default=3, help="calls of each library (default 3)")
    parser.add_argument("--shrink", type=int, default=1, help="divide the sides of the samples")
    options = parser.parse_args()
    for name in ("runs", "shrink"):
        if (value := getattr(options, name)) < 1:
            parser.error(f"--{name} is {value}; it must be 1 or more")

    rows, about = [], {}
    for dtype in options.dtype or ["float32"]:
        for name in options.case or CASES:
            case = CASES[name].shrunk(options.shrink)
            result = measure(case, options.device, dtype, options.runs)
            sides = "x".join(map(str, case.sample))
            rows.append(result.row(", ".join(filter(None, [case.title, sides, dtype]))))
            about = result.about
            print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(machine(about))
    print(f"{options.runs} calls of each library: median (range). Pairs are engine / diffusers.\n")
    print(table(rows))


if __name__ == "__main__":
    main()
