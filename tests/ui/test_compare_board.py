import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.service import QueueFull, Service
from engine.service.jobs import Jobs
from tests.ui.stub import StubWorker, stub_models
from ui.compare.board import Board
from ui.compare.plan import Line, Plan
from ui.compare.runs import paced, stop, submit

OWNER = "somebody"


def plan(*samplers: str) -> Plan:
    lines = (Line("scheduler", samplers or ("Euler", "DDIM")), Line("steps", (2, 3)))
    return Plan.of(lines, model="stub", prompt="a", seed=7)


@pytest.fixture
def idle(tmp_path: Path) -> Service:
    """A service whose worker has not been started: every run waits."""
    models = stub_models(tmp_path / "models")
    return Service(lambda: StubWorker(models, 0.001), tmp_path / "outputs", models)


@pytest.fixture
def service(idle: Service) -> Iterator[Service]:
    idle.start()
    yield idle
    idle.stop()


async def fill(board: Board, service: Service, owner: str = OWNER) -> Board:
    async for _ in board.follow(service, owner):
        pass
    await board.measure()
    return board


def phases(board: Board) -> list[str]:
    return [cell.view.phase for cell in board.cells]


async def test_a_grid_fills_and_is_found_again(service: Service) -> None:
    board = await fill(submit(service, plan(), OWNER), service)
    assert phases(board) == ["done"] * 4
    assert [cell.view.step for cell in board.cells] == [2, 2, 3, 3]
    assert board.calls == 10 and board.seconds > 0 and board.left == 0
    assert [Path(path).is_file() for path in board.paths.values()] == [True] * 4
    assert all(cell.preview for cell in board.cells)

    board.reference = 2
    kept = Board.from_dict(json.loads(json.dumps(board.to_dict())))
    assert kept and kept.running and kept.reference == 2
    again = await fill(kept, service)
    assert again.paths == board.paths
    assert [cell.seconds for cell in again.cells] == [cell.seconds for cell in board.cells]
    assert again.known


async def test_a_picture_that_was_deleted_is_none(service: Service) -> None:
    board = await fill(submit(service, plan(), OWNER), service)
    Path(board.paths[1]).unlink()
    board.reference = 3
    await board.measure()
    assert [*board.paths] == [0, 2, 3]
    assert [*board.differences] == [0, 2]


async def test_only_its_owner_finds_a_grid(service: Service) -> None:
    board = await fill(submit(service, plan(), OWNER), service)
    kept = Board.from_dict(board.to_dict())
    assert kept
    foreign = await fill(kept, service, "somebody else")
    assert not foreign.known and not foreign.paths


async def test_a_bad_cell_leaves_the_others_alone(service: Service) -> None:
    board = submit(service, plan("Eulr", "Flow Euler", "Euler"), OWNER)
    for known in (board, Board.from_dict(board.to_dict())):
        assert known
        await fill(known, service)
        assert phases(known) == ["failed", "failed", "done"] * 2
        assert "Nearest: Euler" in known.cells[0].view.message
        assert "Flow Euler" in known.cells[4].view.message


async def test_a_full_queue_takes_all_or_none(
    idle: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Jobs, "max_waiting", 3)
    with pytest.raises(QueueFull, match="queue is full"):
        submit(idle, plan(), OWNER)
    assert idle.status["waiting"] == 0
    assert len(submit(idle, plan("Euler"), OWNER).cells) == 2


async def test_stop_ends_what_runs_and_what_waits(idle: Service) -> None:
    board = submit(idle, plan(), OWNER)
    stop(idle, [cell.job for cell in board.cells], OWNER)
    assert phases(await fill(board, idle)) == ["stopped"] * 4
    assert idle.status["waiting"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"jobs": []},
        {"jobs": None},
        {"problems": ["x"]},
        {"reference": 4},
        {"reference": -1},
        {"plan": {}},
        {"plan": None},
    ],
)
def test_what_is_no_grid_is_none(idle: Service, changes: dict[str, Any]) -> None:
    kept = submit(idle, plan(), OWNER).to_dict()
    assert Board.from_dict(kept) is not None
    assert Board.from_dict(kept | changes) is None
    assert Board.from_dict({}) is None


async def test_changes_come_at_a_pace_and_the_last_one_always() -> None:
    seen, now = [], 0

    async def source() -> AsyncGenerator[None]:
        nonlocal now
        for now in range(1, 7):
            yield
            if now == 3:
                await asyncio.sleep(0.05)

    async for _ in paced(source(), 0.01):
        seen.append(now)
    assert seen == [3, 6]


async def test_an_error_among_the_changes_is_raised() -> None:
    async def source() -> AsyncGenerator[None]:
        yield
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async for _ in paced(source(), 0):
            pass


async def test_who_stops_looking_ends_the_watch() -> None:
    ended = asyncio.Event()

    async def source() -> AsyncGenerator[None]:
        try:
            while True:
                yield
                await asyncio.sleep(0)
        finally:
            ended.set()

    changes = paced(source(), 0)
    async for _ in changes:
        break
    await changes.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for(ended.wait(), 60)
