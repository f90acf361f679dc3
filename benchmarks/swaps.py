"""What another scheduler costs before a run: milliseconds, and files that are opened.

Run it from the root of the repository:

    python -m benchmarks.swaps
"""

import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from engine import DiffusionPipeline
from engine.pipelines.course import named_config
from engine.schedulers.registry import SCHEDULERS, scheduler_named, unfit

MODEL = Path(__file__).resolve().parent.parent / "assets" / "models" / "tabletop"
REPEATS = 51
STEPS = 25


def main() -> None:
    """Print the median of each sampler that fits the bundled model, and what all opened."""
    pipeline = DiffusionPipeline.from_pretrained(MODEL)
    config = named_config(pipeline.scheduler)
    names = [name for name in SCHEDULERS if not unfit(name, config)]
    for name in names:  # modules are read when they are first used
        scheduler_named(name, config)
    opened = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            opened.append(arguments[0])

    sys.addaudithook(note)
    costs = {name: median(_milliseconds(name, config) for _ in range(REPEATS)) for name in names}
    for name, cost in costs.items():
        print(f"{name:18}{cost:6.2f} ms")
    print(f"at most {max(costs.values()):.2f} ms; {len(opened)} files opened")


def _milliseconds(name: str, config: Any) -> float:
    began = time.perf_counter()
    scheduler_named(name, config, "Karras").set_timesteps(STEPS)
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
