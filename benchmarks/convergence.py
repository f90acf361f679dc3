"""How fast every sampler nears the truth, on a mixture of Gaussians where the truth is known.

Prints the tables of docs/schedulers.md and draws the plot beside them. Run it from the root of the
repository:

    python -m benchmarks.convergence --plot docs/images/convergence.svg
"""

import argparse
from pathlib import Path

from benchmarks.convergence_cases import (
    EXACT,
    JUMPS,
    NOISY,
    Case,
    deviation,
    error,
    error_of_type,
    landing,
    slope,
)
from benchmarks.convergence_plot import Line, draw
from engine.schedulers import SCHEDULERS
from engine.schedulers.schedule_types import SCHEDULE_TYPES

STEPS = (10, 20, 50, 100)
JUMP_STEPS = (1, 2, 4, 8)
COUNT = 20_000
TYPED = ("Euler", "Heun", "DPM++ 2M", "DEIS", "UniPC")


def calls_a_step(case: Case) -> float:
    """Calls of the model, of a run of 100 steps from 10 down to 0.1."""
    scheduler = case.scheduler()
    if case.own:
        scheduler.set_timesteps(100)
    else:
        scheduler.set_timesteps(sigmas=[10 ** (1 - i / 50) for i in range(101)])
    return len(scheduler.timesteps) / 100


def row(label: str, case: Case, figures: list[str]) -> str:
    """A line of a table: what the sampler is called, its class, what it costs, figures."""
    cls = SCHEDULERS[case.name][0].removesuffix("Scheduler")
    calls = f"{calls_a_step(case):.3g}"
    return f"| {' | '.join([label, cls, calls, *figures])} |"


def head(*columns: str) -> str:
    """The first two lines of a table."""
    names = ("sampler", "class", "calls a step", *columns)
    return f"| {' | '.join(names)} |\n|{' --- |' * len(names)}"


def noiseless() -> list[Line]:
    """Print the errors of samplers without noise; return those over common levels as lines."""
    lines = []
    print(head(*(f"{steps} steps" for steps in STEPS), "measured order", "stated order"))
    for label, case in EXACT.items():
        errors = [error(case, steps) for steps in STEPS]
        orders = [f"{slope(case, 50, 100):.2f}", str(case.order)]
        print(row(label, case, [f"{value:.1e}" for value in errors] + orders))
        if not case.own:
            calls = tuple(steps * calls_a_step(case) for steps in STEPS)
            lines.append(Line(label, case.order, calls, tuple(errors)))
    return lines


def noisy() -> None:
    """Print how far the moments of samplers with noise are off."""
    print(head(*(f"{steps} steps" for steps in STEPS)))
    for label, case in NOISY.items():
        off = [deviation(case, steps, COUNT) for steps in STEPS]
        print(row(label, case, [f"{value:.3f}" for value in off]))


def jumps() -> None:
    """Print the same of samplers for models that jump to the end."""
    print(head(*(f"{steps} step{'s' * (steps > 1)}" for steps in JUMP_STEPS)))
    for label, case in JUMPS.items():
        off = [landing(case, steps, COUNT) for steps in JUMP_STEPS]
        print(row(label, case, [f"{value:.3f}" for value in off]))


def types() -> None:
    """Print the error of 20 steps by schedule type, of samplers as they come."""
    print(f"| schedule type | {' | '.join(TYPED)} |\n|{' --- |' * (len(TYPED) + 1)}")
    for kind in SCHEDULE_TYPES:
        errors = [f"{error_of_type(name, kind, 20):.1e}" for name in TYPED]
        print(f"| {' | '.join([kind, *errors])} |")


def main() -> None:
    """Parse the arguments, measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path, help="SVG file to write")
    options = parser.parse_args()
    lines = noiseless()
    for print_table in (types, noisy, jumps):
        print()
        print_table()
    if options.plot:
        options.plot.write_text(draw(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
