import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from engine.errors import EngineError
from engine.service import Service
from tests.ui.stub import SECRET, StubWorker, stub_models
from ui.compare.bind import Comparing, Parts
from ui.compare.board import Board
from ui.compare.markup import EMPTY, totals
from ui.controls import side
from ui.pictures import PictureRoute
from ui.session import Owners, kept_in_browser
from ui.settings import fill
from ui.shared import Shared

OWNER = Owners(SECRET).session({})
VALUES: dict[str, Any] = {
    **{"prompt": "a", "model": "stub", "steps": 2},
    **{"across_field": "seed", "across_names": [], "across_numbers": "7, 8"},
    **{"down_field": "", "down_names": None, "down_numbers": None},
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    models = stub_models(tmp_path / "models")
    service = Service(lambda: StubWorker(models, 0.001), tmp_path / "outputs", models)
    service.start()
    yield service
    service.stop()


class Tab:
    """The handlers on bare components; what they return is read by the components' names."""

    def __init__(self, service: Service, folder: Path) -> None:
        with gr.Blocks() as page:
            session, run = kept_in_browser("session"), kept_in_browser("compare")
            opened = page.load(lambda: None)
            self.parts = Parts(
                *(gr.HTML(), gr.HTML(), gr.HTML(), gr.Button()), board=gr.State(), going=gr.State()
            )
            names = ("prompt", "steps", "width", "seed", "scheduler", "random_seed")
            self.target = {name: gr.Textbox() for name in names}
        target: Any = SimpleNamespace(
            inputs=self.target,
            bring=lambda values: fill(self.target, values, folder / "models", "text-to-image"),
        )
        with page:
            self.run, self.actions = run, (gr.Button(), gr.Button())
        route, owners = PictureRoute(folder / "outputs", SECRET), Owners(SECRET)
        shared = Shared(service, folder / "models", route, owners, session, opened, {})
        self.handlers = Comparing(
            shared,
            inputs={},
            parts=self.parts,
            actions=self.actions,
            run=run,
            target=target,
        )

    async def fill(self, **changes: Any) -> tuple[Board | None, dict[Any, Any]]:
        """Press Compare and watch; returns the board and the last update of every component."""
        updates = await self.handlers.submit(OWNER, **VALUES | changes)
        return await self.watch(updates.get(self.run, {}), updates[self.parts.going])

    async def watch(self, kept: Any, going: bool = True) -> tuple[Board | None, dict[Any, Any]]:
        updates: dict[Any, Any] = {}
        async for news in self.handlers.watch(OWNER, json.loads(json.dumps(kept)), going):
            updates |= news
        return updates.get(self.parts.board), updates


@pytest.fixture
def tab(service: Service, tmp_path: Path) -> Tab:
    return Tab(service, tmp_path)


def press(cell: object) -> gr.EventData:
    return gr.EventData(None, {"cell": cell})


async def test_a_grid_ends_with_everything_to_go_on_from(tab: Tab) -> None:
    board, updates = await tab.fill()
    assert board and [*board.paths] == [0, 1]
    assert "2 of 2 cells" in updates[tab.parts.status]
    assert updates[tab.run] == board.to_dict()
    assert updates[tab.actions[0]]["interactive"]
    assert not updates[tab.actions[1]]["interactive"]
    assert updates[tab.parts.save]["visible"]


async def test_what_was_refused_starts_nothing(tab: Tab, service: Service) -> None:
    for changes, words in (
        ({"across_numbers": "x"}, "Seed has"),
        ({"across_field": "", "down_field": ""}, "No axis is chosen"),
        ({"across_field": "no"}, "There is no axis"),
        ({"prompt": ""}, "prompt is empty"),
    ):
        with pytest.warns(UserWarning, match=words):
            updates = await tab.handlers.submit(OWNER, **VALUES | changes)
        assert words in updates[tab.parts.status]
        assert tab.run not in updates
        assert await tab.watch({}, updates[tab.parts.going]) == (None, {tab.parts.going: True})


async def test_a_grid_that_the_service_has_forgotten_is_cleared(tab: Tab) -> None:
    board, _ = await tab.fill()
    assert board
    kept = board.to_dict() | {"jobs": ["gone", "too"]}
    none, updates = await tab.watch(kept)
    assert none is None
    assert (updates[tab.parts.grid], updates[tab.run]) == (EMPTY, {})


async def test_another_reference_is_kept(tab: Tab) -> None:
    board, _ = await tab.fill()
    assert board
    updates = await tab.handlers.refer(board, press(1))
    assert updates[tab.run]["reference"] == 1
    assert [*board.differences] == [0]
    for wrong in (2, -1, "x", None):
        assert tab.parts.grid not in await tab.handlers.refer(board, press(wrong))
    assert board.reference == 1
    await tab.handlers.refer(None, press(0))


async def test_a_cells_settings_are_those_of_the_other_tab(tab: Tab) -> None:
    board, _ = await tab.fill()
    updates = tab.handlers.use(board, press(1))
    values = {name: updates[component] for name, component in tab.target.items()}
    assert values == {
        **{
            "prompt": "a",
            "steps": 2,
            "width": gr.update(**side(16)),
            "seed": 8,
        },
        **{"scheduler": "", "random_seed": False},
    }
    for wrong in (2, "x"):
        assert [*tab.handlers.use(board, press(wrong))] == [tab.target["seed"]]


async def test_a_grid_is_kept_for_its_owner(tab: Tab, tmp_path: Path) -> None:
    board, _ = await tab.fill()
    updates = await tab.handlers.save(OWNER, board)
    (path,) = (tmp_path / "outputs").rglob("grid-*.png")
    assert f"/{path.name}" in updates[tab.parts.totals]
    with Image.open(path) as sheet:
        plan = json.loads(sheet.info["stepwise"])["comparison"]
    assert board and plan == board.plan.to_dict()


async def test_a_grid_that_cannot_be_kept_leaves_the_page_alone(
    tab: Tab, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(png: bytes, owner: str) -> str:
        raise EngineError("The disk is full.")

    board, _ = await tab.fill()
    monkeypatch.setattr(service, "keep", full)
    with pytest.warns(UserWarning, match="The disk is full"):
        updates = await tab.handlers.save(OWNER, board)
    assert board and updates == {tab.parts.totals: totals(board)}  # without a file of before


async def test_without_pictures_there_is_nothing_to_keep(tab: Tab) -> None:
    board, _ = await tab.fill()
    assert board
    for path in board.paths.values():
        Path(path).unlink()
    for nothing in (None, board):
        assert await tab.handlers.save(OWNER, nothing) == {tab.parts.totals: gr.skip()}
