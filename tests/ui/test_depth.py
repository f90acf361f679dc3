"""What the tab "Depth to image" shows of a picture's depth."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from engine.service import Service
from tests.ui.stub import SECRET, StubWorker, stub_models
from ui.pictures import PictureRoute
from ui.session import NOTHING, Owners, kept_in_browser
from ui.shared import Shared
from ui.tabs.depth_to_image import DepthToImage

SESSION = Owners(SECRET).session({})


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    models = stub_models(tmp_path / "models")
    made = Service(lambda: StubWorker(models), tmp_path / "outputs", models)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def tab(service: Service, tmp_path: Path) -> DepthToImage:
    with gr.Blocks() as page:
        session, opened = kept_in_browser("session"), page.load(lambda: None)
        route, owners = PictureRoute(tmp_path / "outputs", SECRET), Owners(SECRET)
        shared = Shared(service, tmp_path / "models", route, owners, session, opened, {})
        made = DepthToImage(shared)
        made.tab = gr.Tab()
        made.inputs |= made.compose()
        made.settings()
    return made


async def look(tab: DepthToImage, *given: Any) -> tuple[np.ndarray | None, str]:
    """What is shown in the end for image, depth_map, invert and model; and the words beside it."""
    updates: dict[Any, Any] = {}
    async for news in tab.look(SESSION, True, *given):
        updates |= news
    words = {component.elem_classes[0]: update for component, update in updates.items()}
    seen = words["depth"]
    assert seen["visible"] == (seen["value"] is not None)
    if seen["value"] is None:
        return None, words["hint"]
    return np.asarray(Image.open(io.BytesIO(seen["value"])).convert("L")), words["hint"]


def taken(service: Service, pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return service.take(file.getvalue(), SESSION["owner"])


async def test_an_estimate_is_asked_for_as_soon_as_there_is_a_picture(
    service: Service, tab: DepthToImage
) -> None:
    name = taken(service, np.tile(np.arange(64, dtype=np.uint8) * 4, (32, 1)))
    seen, words = await look(tab, name, "", False, "stub-depth")
    assert seen is not None and seen.shape == (32, 64)
    assert seen[0, 0] < 20 and seen[0, -1] > 235 and "as the model sees it" in words
    for asked, told in (
        ((name, "", False, "stub"), "stub has no estimator"),
        ((name, NOTHING, False, None), "appears here"),
        (("", "", False, "stub-depth"), "appears here"),
        (("f" * 64, "", False, "stub-depth"), "choose it again"),
    ):
        seen, words = await look(tab, *asked)
        assert seen is None and told in words


async def test_a_map_of_ones_own_is_shown_without_an_estimate(
    service: Service, tab: DepthToImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: Any, **__: Any) -> None:
        raise AssertionError("the estimator is not to be asked")

    monkeypatch.setattr(service, "query", none)
    picture = taken(service, np.zeros((8, 8), np.uint8))
    ramp = np.tile(np.linspace(1000, 1200, 64).astype(np.uint16), (32, 1))  # of 16 bits
    near_right, words = await look(tab, picture, taken(service, ramp), False, "stub-depth")
    near_left, _ = await look(tab, picture, taken(service, ramp), True, "stub-depth")
    assert near_right is not None and near_left is not None and "you gave" in words
    assert near_right[0, 0] < 20 and near_right[0, -1] > 235
    assert near_left[0, 0] > 235 and near_left[0, -1] < 20
    flat = taken(service, np.full((8, 8), 9, np.uint8))
    seen, words = await look(tab, picture, flat, False, "stub-depth")
    assert seen is None and "the same everywhere" in words


async def test_nothing_is_estimated_before_the_tab_is_opened(
    service: Service, tab: DepthToImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = taken(service, np.zeros((8, 8), np.uint8))
    seen = [news async for news in tab.look(SESSION, False, picture, "-", False, "stub-depth")]
    assert [[*news.values()] for news in seen] == [[gr.skip()]]


def test_an_example_leaves_no_map_of_another_picture(tab: DepthToImage) -> None:
    updates = tab.choose(tab.tries[0], SESSION)
    assert len(updates[tab.names["image"]]) == 64 and updates[tab.names["depth_map"]] == NOTHING
    assert updates[tab.inputs["prompt"]] == tab.tries[0].prompt
