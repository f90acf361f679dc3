from pathlib import Path

import pytest

from benchmarks.cancels import PHASES, Cut, measure, pace, report, steps_after
from engine.service.events import Cancelled, Event, Step


def step(number: int, time: float) -> Step:
    return Step(step=number, total=9, call=number, calls=9, seconds=2 * time, rate=1, time=time)


EVENTS: list[Event] = [step(1, 1), step(2, 2), step(4, 4), step(5, 6), Cancelled(step=5, time=7)]


@pytest.mark.parametrize(("sent", "steps"), [(0.5, 5), (2.5, 3), (4, 1), (6.5, 0)])
def test_steps_are_counted_from_the_cancel(sent: float, steps: int) -> None:
    assert steps_after(EVENTS, sent) == steps
    assert steps_after(EVENTS[-1:], sent) == 0


def test_the_pace_is_that_of_steps_which_follow_each_other() -> None:
    assert pace(EVENTS) == (2, 4)


def test_every_phase_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    report(
        [Cut(phase, phase == "saving", 1, 0.3, (0.2,), ()) for phase in PHASES]
        + [Cut(phase, False, 0, 0.5, (0.1, 0.3), ("a promise",)) for phase in PHASES]
    )
    told = capsys.readouterr().out
    assert "one step: median 200.0 ms, n = 15" in told
    line = "median   400.0, worst   500.0,  2.00 steps, n = 2, finished before"
    for phase in PHASES[:-1]:
        assert f"  {phase:10} {line} 0, at most 1 steps more\n" in told
    assert f"  saving     {line} 1\n" in told
    assert "broken promises: 5" in told


async def test_jobs_are_cancelled_in_every_phase(tiny_checkpoint: Path) -> None:
    cuts = await measure(tiny_checkpoint, times=2)
    assert [cut.phase for cut in cuts] == list(PHASES) * 2
    assert [cut.broken for cut in cuts] == [()] * 10
    assert all(cut.pace for cut in cuts if cut.phase == "decoding")
