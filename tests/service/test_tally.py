import asyncio
import os
import signal
from pathlib import Path

import pytest

from engine.service import QueueFull, Service
from engine.service.events import Saved, Started, Step
from engine.service.jobs import Jobs
from engine.service.supervisor import Supervisor
from engine.service.tally import Tally, Totals
from tests.service.stub import (
    StubProcess,
    StubRunner,
    StubThread,
    request,
    until,
    wait_for,
    watch,
)


async def test_a_tally_begins_with_nothing(service: Service) -> None:
    nothing = {"submitted": 0, "refused": 0, "waiting": 0, "running": 0, "owners": 0, "deaths": 0}
    states = {"ready": True, "given_up": False, "stopped": False}
    assert service.tally() == Tally(totals=Totals(), starts=1, **nothing, **states)


async def test_every_job_is_counted_once_by_its_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Jobs, "max_waiting", 2)
    running = service.submit(request(steps=500), "ann")
    await wait_for(service, running, Started)
    first, second = service.submit(request(), "ann"), service.submit(request("crash"), "bob")
    with pytest.raises(QueueFull):
        service.submit(request(), "eve")
    tally = service.tally()
    assert (tally.submitted, tally.refused, tally.totals) == (3, 1, Totals())
    assert (tally.waiting, tally.running, tally.owners) == (2, 1, 2)
    service.cancel(first, "ann")
    service.cancel(running, "ann")
    await watch(service, second, "bob")
    await watch(service, service.submit(request(count=3), "ann"))
    tally = service.tally()
    assert (tally.submitted, tally.refused) == (4, 1)
    assert tally.totals == Totals(done=1, stopped=2, failed=1, images=3, seconds=1.0)
    assert (tally.waiting, tally.running, tally.owners) == (0, 0, 0)


async def test_jobs_that_are_forgotten_stay_in_the_counts(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Jobs, "max_ended", 1)
    for prompt in ("a cube", "refuse", "a cube", "refuse"):
        await watch(service, service.submit(request(prompt, count=2), "ann"))
    assert len(service.jobs("ann")) == 1
    assert service.tally().totals == Totals(done=2, failed=2, images=4, seconds=2.0)


async def test_images_of_a_job_that_is_stopped_count(service: Service) -> None:
    job = service.submit(request("slow", count=9, steps=1), "ann")
    await wait_for(service, job, Saved)
    assert service.tally().totals.images >= 1  # of a job that runs, too
    service.cancel(job, "ann")
    images = sum(isinstance(event, Saved) for event in await watch(service, job))
    assert service.tally().totals == Totals(stopped=1, images=images)


async def test_workers_are_counted_as_they_come_and_die(models: Path, tmp_path: Path) -> None:
    service = Service(lambda: StubProcess("cpu", "float32", models), tmp_path, models)
    assert (service.tally().starts, service.tally().ready) == (0, False)
    service.start()
    try:
        job = service.submit(request(steps=500), "ann")
        await wait_for(service, job, Step)
        os.kill(service.status["pid"], signal.SIGKILL)
        await watch(service, job)
        await until(service, "ready")
        tally = service.tally()
        assert (tally.starts, tally.deaths, tally.ready) == (2, 1, True)
        assert tally.totals == Totals(failed=1)
    finally:
        await asyncio.to_thread(service.stop)
    tally = service.tally()
    assert (tally.starts, tally.deaths, tally.ready, tally.stopped) == (2, 1, False, True)


async def test_workers_that_do_not_start_have_died(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(StubThread):
        def make_runner(self, *_: object) -> StubRunner:
            raise OSError("libcuda is missing")

    monkeypatch.setattr(Supervisor, "pause", 0.01)
    monkeypatch.setattr(Supervisor, "longest_pause", 0.01)
    service = Service(lambda: Broken("cpu", "float32", models), tmp_path, models)
    service.start()
    try:
        async with asyncio.timeout(60):
            while not service.tally().given_up:
                await asyncio.sleep(0.01)
        assert service.tally().deaths >= Supervisor.patience
    finally:
        await asyncio.to_thread(service.stop)
