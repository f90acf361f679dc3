from pathlib import Path

import pytest

from benchmarks.recovery import MESSAGE, Kill, judge, measure, report
from engine.service.events import Event, Failed, Finished, Loading, Queued

LINE = Queued(position=1, time=1)
LOADING = Loading(model="tiny", component="unet", time=2)
FAILED = Failed(message=MESSAGE, time=4)
LATE = Finished(seconds=1, time=9)
BEHIND = [LINE, LATE]


@pytest.mark.parametrize(
    ("jobs", "outcome"),
    [
        ([[LINE, LOADING, FAILED], BEHIND], "failed"),
        ([[LINE, LATE], BEHIND], "repeated"),
        ([[LINE, Finished(seconds=1, time=2)], [LINE, LOADING, FAILED]], "failed"),
        ([[LINE, Finished(seconds=1, time=2)]], ""),
    ],
)
def test_the_job_that_ran_fails_unless_it_had_not_begun(
    jobs: list[list[Event]], outcome: str
) -> None:
    assert judge(jobs, dead=3) == (outcome, [])


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ([[LINE, FAILED], BEHIND], "had not begun"),
        ([[LINE, LOADING, LATE], BEHIND], "had begun"),
        ([[LINE, LOADING, Failed(message="no", time=4)], BEHIND], "message='no'"),
        ([[LINE, LOADING, FAILED], [LINE, FAILED]], "a job behind"),
    ],
)
def test_what_is_broken_is_told(jobs: list[list[Event]], words: str) -> None:
    (broken,) = judge(jobs, dead=3)[1]
    assert words in broken


def test_kills_while_one_starts_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    report(
        [
            Kill("loading", 3, "failed", 2.0, 1.0, ()),
            Kill("loading", 3, "repeated", 6.0, 2.0, ("a promise",)),
            Kill("starting", 3, "", 9.0, 3.0, ()),
        ]
    )
    told = capsys.readouterr().out
    assert "jobs: 1 failed, 8 finished, 1 of them repeated" in told
    assert "plain start:                   median 2.00 s, n = 3" in told
    assert "that was ready: median 4.00 s, worst 6.00 s, ratio 2.50" in told
    assert "one that started:        median 9.00 s, worst 9.00 s, ratio 3.00" in told
    assert "broken promises: 1" in told


async def test_the_service_outlives_its_workers(tiny_checkpoint: Path) -> None:
    kills = await measure(tiny_checkpoint, ["loading", "starting"])
    assert [kill.broken for kill in kills] == [()] * 2
    assert kills[0].outcome in ("failed", "repeated")
    assert kills[1].outcome == ""
    assert all(kill.seconds > 0 and kill.plain > 0 for kill in kills)
