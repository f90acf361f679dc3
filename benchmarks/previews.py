"""What previews cost: the same run with and without them, in turns, through the service.

Prints how much longer the runs with previews took, the time spent on previews as the worker itself
measures it, and whether the pictures are the same to the bit. Run it from the root of the
repository:

    python -m benchmarks.previews --runs 10
    python -m benchmarks.previews --steps 200 --model path/to/a/checkpoint
"""

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from engine.pipelines.request import Request
from engine.service import ProcessWorker, Service
from engine.service.events import Failed, Finished, Saved

ROOT = Path(__file__).resolve().parent.parent
AIM = 0.03
OWNER = "benchmark"


@dataclass(frozen=True)
class Sample:
    """One run. seconds: from its start to its last file; pixels: of all its images."""

    seconds: float
    preview_seconds: float
    previews: int
    pixels: bytes


async def sample(service: Service, request: Request, previews: bool) -> Sample:
    """Run `request` once; raises RuntimeError with the message of a failed run."""
    job = service.submit(request, OWNER, previews=previews)
    pixels = b""
    async for event in service.events(job, OWNER):
        if isinstance(event, Saved):
            pixels += Image.open(event.path).tobytes()
        elif isinstance(event, Failed):
            raise RuntimeError(event.message)
        elif isinstance(event, Finished):
            figures = event.figures
            return Sample(
                event.seconds, figures["preview_seconds"], int(figures["previews"]), pixels
            )
    raise RuntimeError("the run was cancelled")


async def measure(service: Service, request: Request, runs: int) -> list[tuple[Sample, Sample]]:
    """Pairs of runs, with and without previews, each kind first in every other pair."""
    await sample(service, request, True)  # loads the model
    pairs = []
    for number in range(runs):
        order = (True, False) if number % 2 else (False, True)
        taken = {previews: await sample(service, request, previews) for previews in order}
        pairs.append((taken[True], taken[False]))
    return pairs


def report(pairs: list[tuple[Sample, Sample]], status: dict[str, object]) -> None:
    """Print medians over the pairs."""
    shown, hidden = zip(*pairs, strict=True)
    with_them = statistics.median(one.seconds for one in shown)
    without = statistics.median(one.seconds for one in hidden)
    # Within a pair, so that a slow spell of the machine falls on both.
    extra = statistics.median(on.seconds / off.seconds - 1 for on, off in pairs)
    share = statistics.median(one.preview_seconds / one.seconds for one in shown)
    same = all(on.pixels == off.pixels for on, off in pairs)
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(f"device: {status['device']}, dtype: {status['dtype']}")
    print(f"runs: {len(pairs)} with and {len(pairs)} without, load {os.getloadavg()[0]:.1f}")
    print(f"with previews:    median {with_them:.3f} s, {shown[-1].previews} previews")
    print(f"without previews: median {without:.3f} s")
    print(f"longer by: {extra:.1%} (median of pairs)")
    print(f"spent on previews, measured inside: {share:.1%} of the run (aim {AIM:.0%})")
    print(f"pictures identical: {'yes' if same else 'NO'}")


async def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10, help="pairs of runs (default 10)")
    parser.add_argument("--steps", type=int, default=50, help="steps of a run (default 50)")
    parser.add_argument("--count", type=int, default=1, help="images of a run (default 1)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--model", type=Path, default=ROOT / "assets" / "models" / "tabletop")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error(f"--runs is {options.runs}; it must be 1 or more")
    models, name = options.model.resolve().parent, options.model.name
    request = Request(name, "a large red sphere", steps=options.steps, count=options.count)
    with tempfile.TemporaryDirectory() as outputs:
        service = Service(
            lambda: ProcessWorker(options.device, options.dtype, models), Path(outputs), models
        )
        service.start()
        try:
            pairs = await measure(service, request, options.runs)
            report(pairs, service.status)
        finally:
            service.stop()


if __name__ == "__main__":
    asyncio.run(main())
