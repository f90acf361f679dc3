"""The tab Models: what its lists say, and how a download is looked up, begun and watched."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from engine.checkpoints import download
from engine.checkpoints.cached import HubModels
from engine.checkpoints.catalog import list_models
from engine.service import Service
from tests.checkpoints.hub import StandIn
from tests.ui.stub import SECRET, StubWorker, stub_models
from ui.models.hub import DEFAULT, HubGroup
from ui.models.markup import cards, facts_of
from ui.pictures import PictureRoute
from ui.session import Owners, kept_in_browser
from ui.shared import Shared


class Tab:
    """The group on a page of its own; what its handlers return is read by the components."""

    def __init__(self, folder: Path, allowed: str) -> None:
        models = stub_models(folder)
        self.service = Service(
            lambda: StubWorker(models), folder / "out", models, hub=HubModels.parse(allowed)
        )
        owners = Owners(SECRET)
        self.session = owners.session({})
        with gr.Blocks() as page:
            route = PictureRoute(folder / "out", SECRET)
            opened = page.load(None, None, None)
            session, starred = kept_in_browser("session"), kept_in_browser("starred")
            shared = Shared(
                self.service, self.service.models, route, owners, session, opened, starred, {}
            )
            self.group = HubGroup(shared)


@pytest.fixture
def hub_of_one(
    hub: StandIn, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StandIn:
    monkeypatch.setattr(download, "MARGIN", 0)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    hub.repo("name/<b>tiny").commit_folder(tiny_checkpoint)
    repo = hub.repo("name/tiny")
    repo.commit_folder(tiny_checkpoint)
    repo.card = {"license": "<i>mine</i>"}
    return hub


@pytest.fixture
def tab(tmp_path: Path, hub_of_one: StandIn) -> Iterator[Tab]:
    made = Tab(tmp_path, "all")
    yield made
    made.service.stop()


def test_cards_say_what_a_model_is(tmp_path: Path) -> None:
    models = {model.name: model for model in list_models(stub_models(tmp_path))}
    stub = models["stub"]
    assert facts_of(stub).startswith("Stable Diffusion, 16 px")
    first, *others = cards(list(models.values()), ["stub-ddpm"], safety=True)
    assert 'data-id="stub-ddpm"' in first and 'aria-pressed="true"' in first
    assert not any('aria-pressed="true"' in other for other in others)
    assert "does unconditional" in first and "a folder here" in first


async def test_a_plan_is_shown_and_a_download_watched(tab: Tab) -> None:
    group = tab.group
    found = await group.look("name/tiny")
    told = found[group._plan]
    assert "StableDiffusionPipeline" in told and "&lt;i&gt;mine" in told and "<i>" not in told
    assert found[group._start]["visible"] and not found[group._variant]["visible"]
    (begun,) = group.start(tab.session, "name/tiny", DEFAULT)
    assert "name/tiny" in begun
    page: Any = SimpleNamespace(session_hash="page")
    seen = [items async for items in group.watch(tab.session, page)]
    (last,) = seen[-1]
    assert 'data-state="done"' in last and "--done:1.0000" in last
    assert "name/tiny" in [model.name for model in tab.service.models()]


@pytest.mark.parametrize("name", ["", "name/none", "../x", "name/<script>", None, 3])
async def test_a_name_that_leads_nowhere_is_told(tab: Tab, name: object) -> None:
    found = await tab.group.look(name)
    assert 'role="alert"' in found[tab.group._plan]
    assert "<script>" not in found[tab.group._plan]
    assert not found[tab.group._start]["visible"]


def test_a_download_is_stopped_by_its_button_and_by_nobody_else(
    tab: Tab, hub_of_one: StandIn
) -> None:
    hub_of_one.pace["unet/diffusion_pytorch_model.safetensors"] = 0.2
    (begun,) = tab.group.start(tab.session, "name/tiny", DEFAULT)
    id = re.findall('data-id="([^"]+)"', begun)[0]
    event = partial(SimpleNamespace)
    told: Any = event(_data={"act": "stop", "id": id})
    assert tab.group.act({}, told) == []
    owner = next(iter(tab.service.downloads._jobs)).owner
    assert tab.service.downloads.of(owner)[0].state in ("waiting", "running")
    tab.group.act(tab.session, told)
    assert tab.service.downloads.of(owner)[0].state in ("running", "stopped")
    for odd in (None, {}, {"act": "stop"}, {"act": "start", "id": 3}):
        tab.group.act(tab.session, event(_data=odd))


def test_where_the_hub_is_off_nothing_is_asked(tmp_path: Path, hub_of_one: StandIn) -> None:
    made = Tab(tmp_path, "off")
    assert not hasattr(made.group, "_look") and not hub_of_one.asked
    made.service.stop()
