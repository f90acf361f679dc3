import pytest

from engine.service.pace import MODELS, Pace
from tests.service.stub import request


def test_nothing_is_known_before_the_first_run() -> None:
    assert Pace().estimate(request()) is None


def test_a_run_takes_as_long_for_each_image_and_step_as_those_like_it() -> None:
    pace = Pace()
    for seconds in (8.0, 10.0, 100.0):
        pace.learn(request(steps=10), 1, seconds)
    assert pace.estimate(request(steps=20)) == pytest.approx(20)
    assert pace.estimate(request(steps=20, count=3)) == pytest.approx(60)


def test_the_likest_runs_count() -> None:
    pace = Pace()
    pace.learn(request(steps=10, width=64, height=64), 1, 1.0)
    pace.learn(request(steps=10, width=512, height=512), 1, 50.0)
    assert pace.estimate(request(steps=10, width=64, height=64)) == pytest.approx(1)
    assert pace.estimate(request(steps=10, width=512, height=512)) == pytest.approx(50)
    assert pace.estimate(request(model="other", steps=10)) == pytest.approx(25.5)


def test_what_is_remembered_is_bounded() -> None:
    pace = Pace()
    for number in range(10 * MODELS):
        pace.learn(request(model=f"m{number}"), 1, 1.0)
    assert len(pace._seconds) <= MODELS
