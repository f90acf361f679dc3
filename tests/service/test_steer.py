"""Changing a job's settings while it waits and while it runs."""

from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError, RequestError
from engine.pipelines.limits import MAX_CHANGES
from engine.service import JobNotFound, Service
from engine.service.events import Cancelled, Changed, Event, Finished, Started, Step
from engine.service.index import owner_folder
from tests.service.stub import request, wait_for, watch


def changed(events: list[Event]) -> list[Changed]:
    return [event for event in events if isinstance(event, Changed)]


def last_step(events: list[Event]) -> Step:
    return [event for event in events if isinstance(event, Step)][-1]


async def test_a_running_job_takes_a_change(service: Service) -> None:
    job = service.submit(request("slow", steps=500), "ann")
    await wait_for(service, job, Step)
    service.change(job, "ann", steps=3, guidance_scale=None)
    events = await watch(service, job)
    (change,) = changed(events)
    assert change.call >= 1
    assert change.settings == {"steps": 3}
    assert change.refused == ""
    assert isinstance(events[-1], Finished)
    end = last_step(events)
    assert end.step == end.total == max(3, change.call + 1)


async def test_a_waiting_job_begins_with_its_changes(service: Service) -> None:
    first = service.submit(request(steps=500), "ann")
    await wait_for(service, first, Started)
    waiting = service.submit(request(), "ann")
    service.change(waiting, "ann", steps=7)
    service.change(waiting, "ann", scheduler="Heun")
    service.cancel(first, "ann")
    events = await watch(service, waiting)
    assert [(one.call, one.settings) for one in changed(events)] == [
        (0, {"steps": 7}),
        (0, {"scheduler": "Heun"}),
    ]
    assert last_step(events).step == 7


async def test_who_comes_late_sees_every_change(service: Service) -> None:
    job = service.submit(request("slow", steps=500), "ann")
    await wait_for(service, job, Step)
    service.change(job, "ann", guidance_scale=3.0)
    service.change(job, "ann", steps=5)
    assert changed(await watch(service, job)) == changed(await watch(service, job))
    assert len(changed(await watch(service, job))) == 2


async def test_a_job_that_ended_stays_as_it_is(service: Service) -> None:
    job = service.submit(request(), "ann")
    await watch(service, job)
    before = await watch(service, job)
    service.change(job, "ann", steps=9)
    assert await watch(service, job) == before


async def test_only_the_owner_changes_a_job(service: Service) -> None:
    job = service.submit(request(), "ann")
    for name, owner in [(job, "bob"), ("no-such-job", "ann")]:
        with pytest.raises(JobNotFound, match="no job"):
            service.change(name, owner, steps=9)
    with pytest.raises(TypeError, match="colour"):
        service.change(job, "ann", colour="red")
    assert changed(await watch(service, job)) == []


async def test_a_query_takes_arguments(service: Service) -> None:
    assert await service.query("echo", model="tiny", steps=3) == {"model": "tiny", "steps": 3}


async def test_what_the_model_cannot_do_is_refused_at_once(service: Service) -> None:
    for fields, words in [
        ({"scheduler": "Flow Euler"}, "is for flow models"),
        ({"scheduler": "Eulr"}, "Nearest: Euler"),
        ({"schedule_type": "Caras"}, "Nearest: Karras"),
        ({"steps": 501}, "trained on 500 timesteps"),
    ]:
        with pytest.raises(RequestError, match=words):
            service.submit(request(**fields), "ann")


def test_a_picture_is_kept_for_its_owner(service: Service, tmp_path: Path) -> None:
    first, second = (Path(service.keep(b"png", "ann")) for _ in range(2))
    assert first != second
    assert first.read_bytes() == b"png"
    assert first.is_relative_to(tmp_path / "out" / owner_folder("ann"))


def test_no_room_for_a_picture_is_told(tmp_path: Path, models: Path) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    full = Service(lambda: pytest.fail("not started"), tmp_path / "out", models)
    with pytest.raises(EngineError, match=r"could not be saved in .*Make room"):
        full.keep(b"png", "ann")


async def test_what_no_run_could_do_is_refused_at_once(service: Service) -> None:
    job = service.submit(request("slow", steps=500), "ann")
    wrong: tuple[dict[str, Any], ...] = (
        {"steps": 10**5000},
        {"scheduler": "x" * 100_000},
        {"guidance_scale": -1.0},
    )
    for settings in wrong:
        service.change(job, "ann", **settings)
    service.cancel(job, "ann")
    told = changed(await watch(service, job))
    for one, settings in zip(told, wrong, strict=True):
        assert one.refused.startswith(next(iter(settings))) and len(one.refused) < 200
        assert one.settings == {}


async def test_a_run_takes_so_many_changes(service: Service) -> None:
    job = service.submit(request("slow", steps=500), "ann")
    for steps in range(1, MAX_CHANGES + 1):
        service.change(job, "ann", steps=400 + steps)
    with pytest.raises(RequestError, match="100 changes at most"):
        service.change(job, "ann", steps=5)
    service.cancel(job, "ann")
    assert isinstance((await watch(service, job))[-1], Cancelled)
