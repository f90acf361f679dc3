from collections import Counter

import pytest

from benchmarks.crowd import (
    Flood,
    Tally,
    crowd,
    flood,
    percentile,
    report_crowd,
    report_flood,
    serve,
)


async def test_a_few_draw_and_a_flood_is_survived() -> None:
    async with serve() as server:
        tally = await crowd(server, active=3, idle=5, seconds=3)
        before = await server.figures()
        result = await flood(server, 30)
        after = await server.figures()
    assert report_crowd(tally) and not tally.errors
    assert tally.sent == len(tally.submits) == len(tally.previews) >= 3
    assert report_flood(result, before, after)
    assert result.answers == Counter(accepted=30) and result.refused == 0
    assert after["taken"] - before["taken"] == 31, "those of the flood, and the last visitor"


def test_only_a_full_queue_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    full, broken = Counter(accepted=1, full=2), Counter({"accepted": 1, "status 500": 1})
    figures = {"taken": 0, "full": 0, "rss": 0}
    for answers, picture, well in ((full, 1.0, True), (broken, 1.0, False), (full, None, False)):
        assert report_flood(Flood(answers, 1.0, 2, 0.5, picture), figures, figures) == well
    drawn = {"sent": 1, "submits": [0.1], "previews": [0.2]}
    assert report_crowd(Tally(**drawn, errors=Counter(full=1)))
    assert not report_crowd(Tally(**drawn, errors=Counter(stuck=1)))
    assert not report_crowd(Tally(sent=1))
    told = capsys.readouterr().out
    assert "told 2 times" in told and "got no picture" in told and "p95 100 ms" in told


def test_percentiles() -> None:
    values = [float(value) for value in range(101)]
    assert (percentile(values, 0.5), percentile(values, 0.95)) == pytest.approx((50, 95))
    assert percentile([3.0], 0.95) == 3.0
    assert percentile([], 0.5) != percentile([], 0.5), "NaN"
