import diffusers
import pytest

import engine.models
from benchmarks.speed import HEAD, Result, machine, measure, table
from benchmarks.speed_cases import CASES, Case
from tests.models.published import CAT256, SD15, VAE15, toy

RESULT = Result(
    seconds={"engine": [1.0, 2.0, 4.0], "diffusers": [3.0, 3.0, 10.0]},
    peak={"engine": 1_500_000_000, "diffusers": 2_000_000_000},
    roof=[50.0, 100.0, 400.0],
    flops=100,
    difference=1e-6,
    about={},
)


def test_the_ratio_is_taken_within_pairs() -> None:
    assert RESULT.ratio == pytest.approx(2.5)  # of 3, 1.5 and 2.5; that of the medians is 1.5


def test_the_share_is_of_the_median_roof() -> None:
    assert RESULT.share("engine") == pytest.approx(0.5)
    assert RESULT.share("diffusers") == pytest.approx(1 / 3)


def test_the_table_has_every_figure() -> None:
    lines = table([RESULT.row("a network")]).splitlines()
    assert [line.count("|") for line in lines] == [len(HEAD) + 1] * 3
    cells = [
        "a network",
        "2 (1 to 4)",
        "3 (3 to 10)",
        "2.50",
        "1.0e-06",
        "50% / 33%",
        "1.50 / 2.00",
    ]
    assert lines[-1] == f"| {' | '.join(cells)} |"


def test_shrinking_leaves_batch_and_channels() -> None:
    assert CASES["unet"].shrunk(8).sample == (2, 4, 8, 8)
    assert CASES["bundled"].shrunk(8) == CASES["bundled"]


TOYS = {
    "conditional": Case("", "UNet2DConditionModel", toy(SD15), (2, 4, 16, 16), (2, 7, 24)),
    "unconditional": Case("", "UNet2DModel", toy(CAT256), (1, 3, 32, 32)),
    "decoder": Case("", "AutoencoderKL", toy(VAE15), (1, 4, 8, 8)),
}


@pytest.mark.parametrize("case", TOYS.values(), ids=TOYS)
def test_both_libraries_are_asked_for_the_same_work(case: Case) -> None:
    counted = case.count_flops(engine.models)
    assert counted
    # But for the timestep, which diffusers embeds once for each sample.
    assert counted == pytest.approx(case.count_flops(diffusers), rel=1e-3)


def test_both_libraries_are_measured() -> None:
    result = measure(TOYS["conditional"], "cpu", "bfloat16", runs=2)
    assert result.difference <= 3e-2
    assert [len(taken) for taken in result.seconds.values()] == [2, 2]
    assert all((result.share(name) or 0) > 0 for name in result.seconds)
    assert all(peak > 50_000_000 for peak in result.peak.values())
    assert "1 threads" in machine(result.about)
