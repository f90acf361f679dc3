"""Models that people have downloaded: what they see of it, and what they may."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.checkpoints import download
from engine.checkpoints.cached import HubModels
from engine.checkpoints.transfer import Transfer
from engine.errors import EngineError
from engine.pipelines.control import Control
from engine.service import JobNotFound, QueueFull, Service
from engine.service.downloads import DownloadInfo, Downloads
from engine.service.events import Finished
from engine.service.messages import Picture, Run
from engine.service.runner import EngineRunner
from tests.checkpoints.hub import StandIn
from tests.service.stub import LIMIT, StubThread, request, watch

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transfer, "pause", 0.01)
    monkeypatch.setattr(download, "MARGIN", 0)
    monkeypatch.setattr(Downloads, "tick", 0.02)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache that is taken where none is named."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(hub: StandIn, tiny_checkpoint: Path) -> StandIn:
    """A Hub with three repositories of the same files."""
    for name in ("a/tiny", "b/tiny", "c/tiny"):
        hub.repo(name).commit_folder(tiny_checkpoint)
    return hub


@pytest.fixture
def make(
    tmp_path: Path, models: Path, cache: Path, hub: StandIn
) -> Iterator[Callable[[str], Service]]:
    """Makes services of a stub engine, by what is allowed of the Hub."""
    made: list[Service] = []

    def start(allowed: str) -> Service:
        worker = lambda: StubThread("cpu", "float32", models)  # noqa: E731
        service = Service(worker, tmp_path / "out", models, hub=HubModels.parse(allowed))
        made.append(service)
        service.start()
        return service

    yield start
    for service in made:
        service.stop()
    assert not [one for one in threading.enumerate() if one.name == "download"]


async def seen(service: Service, owner: str = "ann") -> list[list[DownloadInfo]]:
    """What a watcher sees until all have ended."""
    lists, end = [], time.monotonic() + LIMIT
    async for infos in service.downloads.watch(owner):
        lists.append(infos)
        if all(info.ended for info in infos):
            break
        assert time.monotonic() < end
    return lists


async def going(service: Service, *ids: str) -> None:
    """Wait until bytes have come of these."""
    async for infos in service.downloads.watch("ann"):
        on = [info for info in infos if info.progress and info.progress.file == UNET]
        if {info.id for info in on} >= {*ids}:
            return


async def test_a_download_is_told_from_plan_to_model(
    make: Callable[[str], Service], tiny: StandIn
) -> None:
    service = make("all")
    tiny.pace[UNET] = 0.02
    plan = service.downloads.plan("a/tiny")
    id = service.downloads.start("a/tiny", "ann")
    assert service.downloads.start("a/tiny", "ann") == id
    lists = await seen(service)
    told = [info.progress.done for [info] in lists if info.progress]
    assert len({*told}) > 2 and told == sorted(told) and told[-1] == plan.bytes
    [last] = lists[-1]
    assert (last.id, last.state, last.message) == (id, "done", "") and last.plan
    assert [model.name for model in service.models()] == ["tiny", "a/tiny"]
    job = service.submit(request(model=last.plan.name), "ann")
    assert isinstance((await watch(service, job))[-1], Finished)
    assert service.downloads.of("ben") == []


def test_engine_draws_with_it(
    make: Callable[[str], Service], tiny: StandIn, cache: Path, models: Path
) -> None:
    downloads = make("all").downloads
    assert download.Download(downloads.plan("a/tiny"), downloads.hub).run().is_dir()
    runner = EngineRunner("cpu", "float32", models)
    asked = Run("job", request(model="a/tiny", steps=2), previews=False)
    told = list(runner.run(asked, Control()))
    assert len([one for one in told if isinstance(one, Picture)]) == 1
    assert runner.query("model", model="a/tiny")["pipeline"] == "StableDiffusionPipeline"


@pytest.mark.parametrize("state", ["running", "waiting"])
async def test_cancel(state: str, make: Callable[[str], Service], tiny: StandIn) -> None:
    service = make("all")
    tiny.pace[UNET] = 0.03
    ids = [service.downloads.start(f"{name}/tiny", "ann") for name in "abc"]
    assert [info.state for info in service.downloads.of("ann")] == ["running"] * 2 + ["waiting"]
    await going(service, *ids[:2])
    chosen = ids[0] if state == "running" else ids[2]
    with pytest.raises(JobNotFound):
        service.downloads.cancel(chosen, "ben")
    tiny.pace.clear()
    service.downloads.cancel(chosen, "ann")
    last = {info.id: info for info in (await seen(service))[-1]}
    assert [last[id].state for id in ids if id != chosen] == ["done"] * 2
    assert last[chosen].state == "stopped"
    with pytest.raises(EngineError, match="not here, or not whole"):
        service.submit(request(model=last[chosen].name), "ann")


async def test_what_the_hub_refuses_is_told(make: Callable[[str], Service], tiny: StandIn) -> None:
    service = make("all")
    tiny.repo("a/tiny").closed = "GatedRepo"
    for name in ("a/tiny", "a/none", "runwayml/stable-diffusion-v1-5"):
        service.downloads.start(name, "ann")
    told = [(info.state, info.message) for info in (await seen(service))[-1]]
    assert [state for state, _ in told] == ["failed"] * 3
    for words, (_, message) in zip(("gated", "neither", "withdrawn"), told, strict=True):
        assert words in message


async def test_fault_of_ours_shows_nothing_within(
    make: Callable[[str], Service], tiny: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> None:
        raise RuntimeError("Bearer hf_secret")

    service = make("all")
    monkeypatch.setattr("engine.service.downloads.plan_download", broken)
    service.downloads.start("a/tiny", "ann")
    [last] = (await seen(service))[-1]
    assert (last.state, last.message) == (
        "failed",
        "Internal error (RuntimeError): see the log.",
    )


def test_only_so_many_wait(
    make: Callable[[str], Service], tiny: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make("all")
    monkeypatch.setattr(Downloads, "max_waiting", 1)
    tiny.pace[UNET] = LIMIT
    for name in "abc":
        service.downloads.start(f"{name}/tiny", "ann")
    with pytest.raises(QueueFull, match="1 downloads are waiting"):
        service.downloads.start("a/tiny", "ben")
    service.stop()
    assert {info.state for info in service.downloads.of("ann")} == {"stopped"}


async def test_old_ones_are_forgotten(
    make: Callable[[str], Service], tiny: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make("all")
    monkeypatch.setattr(Downloads, "max_ended", 2)
    for name in ("a/x", "a/y", "a/z"):
        service.downloads.start(name, "ann")
        await seen(service)
    service.downloads.start("a/zz", "ann")
    last = (await seen(service))[-1]
    assert [info.name for info in last] == ["a/z", "a/zz"]


@pytest.mark.parametrize("allowed", ["off", "b/*"])
async def test_service_heeds_what_the_owner_decided(
    allowed: str, make: Callable[[str], Service], tiny: StandIn, cache: Path
) -> None:
    every = HubModels.parse("all")
    download.Download(download.plan_download("a/tiny", hub=every)).run()
    service = make(allowed)
    tiny.asked.clear()
    assert [model.name for model in service.models()] == ["tiny"]
    for attempt in (
        lambda: service.downloads.plan("a/tiny"),
        lambda: service.downloads.start("a/tiny", "ann"),
    ):
        with pytest.raises(EngineError, match="a/tiny may not be used here"):
            attempt()
    with pytest.raises(EngineError, match="a/tiny may not be used here"):
        await service.query("model", model="a/tiny")
    with pytest.raises(EngineError, match=r"not a path|may not be used"):
        service.submit(request(model="a/tiny"), "ann")
    assert tiny.asked == [] and service.downloads.of("ann") == []


@pytest.mark.parametrize("name", ["../tiny", "/etc", "a/b/c", "a/../b", "a/b@../c", "a--b/c"])
async def test_hostile_names(name: str, make: Callable[[str], Service], hub: StandIn) -> None:
    service = make("all")
    with pytest.raises(EngineError):
        service.downloads.start(name, "ann")
    with pytest.raises(EngineError):
        service.downloads.plan(name)
    with pytest.raises(EngineError):
        service.submit(request(model=name), "ann")
    with pytest.raises(EngineError):
        await service.query("model", model=name)
    assert hub.asked == []
