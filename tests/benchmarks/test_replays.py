import random
from pathlib import Path

import pytest

from benchmarks import replays
from benchmarks.replays import make_models, measure
from tests.service.pictures import serving


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"))


async def test_ten_random_runs_make_themselves_again(models: Path, tmp_path: Path) -> None:
    with serving(models, tmp_path) as service:
        done = await measure(10, service)
    assert done.different == []
    assert sum(done.tasks.values()) == 10 and len(done.tasks) > 2 and done.changed > 2


async def test_what_differs_is_told(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> bool:
        return False

    monkeypatch.setattr(replays, "repeat", never)
    with serving(models, tmp_path) as service:
        done = await measure(2, service)
    assert len(done.different) == 2


def test_every_task_is_drawn() -> None:
    pick = random.Random(0)
    drawn = {replays.draw_request(pick, {"image": "a" * 64}).task for _ in range(100)}
    assert drawn == set(replays.MODELS)
