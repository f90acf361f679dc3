from collections import Counter
from pathlib import Path

import pytest

from benchmarks.endurance import Endurance, Process, measure, report

STILL = (Process(40.4, 9, 2), Process(300.0, 5, 3))


def endured(*memory: tuple[float, float]) -> Endurance:
    ended = Counter({"finished": len(memory)})
    return Endurance(list(memory), STILL, STILL, ended, ["a job ended badly"])


def test_slopes_are_those_of_each_side_and_of_both() -> None:
    found = endured((9, 7), (9, 7), (1, 1), (3, 2), (5, 3))
    assert found.slopes(2) == pytest.approx({"service": 2, "worker": 1, "both": 3})
    assert found.slopes()["service"] == pytest.approx(-1.4)


def test_only_many_jobs_tell_that_memory_grows() -> None:
    grown = [(0.0, 0.2 * number) for number in range(100)]
    assert endured(*grown).grows
    assert not endured(*grown[:99]).grows
    assert not endured(*grown[:50], *[(9, 9)] * 50).grows  # in the first half alone


def test_the_report_has_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    report(endured((9, 7), (9, 7), (1, 1), (3, 2), (5, 3), (7, 4)))
    told = capsys.readouterr().out
    assert "jobs: 6: 6 finished" in told
    assert "MB a job, second half: service +2.0000, worker +1.0000, both +3.0000" in told
    assert "service: 40 MB, 9 files, 2 threads; in the end 40 MB, 9 files, 2 threads" in told
    assert "a job ended badly" in told


async def test_jobs_of_every_kind_are_done(
    tiny_checkpoint: Path, tiny_ddpm_checkpoint: Path, tmp_path: Path
) -> None:
    for checkpoint in (tiny_checkpoint, tiny_ddpm_checkpoint):
        (tmp_path / checkpoint.name).symlink_to(checkpoint)
    found = await measure(tmp_path, jobs=8, seed=9)  # of every task; one is cancelled, one fails
    assert found.broken == []
    assert found.ended["failed"] == 1
    assert len(found.memory) == found.ended.total() == 8
    assert all(one.memory > 1 and one.files and one.threads for one in (*found.start, *found.end))
