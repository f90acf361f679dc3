import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import EngineError, RequestError
from engine.service import JobNotFound, QueueFull, Service, WorkerDown
from engine.service.events import (
    Cancelled,
    Event,
    Failed,
    Finished,
    Loading,
    Queued,
    Saved,
    Started,
    Step,
)
from engine.service.index import FILE
from engine.service.jobs import Jobs
from engine.service.presence import Presence
from tests.service.stub import LIMIT, StubThread, request, until, wait_for, watch


async def begun(service: Service, steps: int = 500) -> str:
    """A job of ann that draws now."""
    job = service.submit(request(steps=steps), "ann")
    await wait_for(service, job, Started)
    return job


async def works(service: Service) -> bool:
    """Whether one more job runs to its end."""
    return isinstance((await watch(service, service.submit(request(), "ann")))[-1], Finished)


async def test_a_run_is_told_from_queue_to_file(service: Service) -> None:
    job = service.submit(request(count=2, seed=7), "ann")
    events = await watch(service, job)
    kinds = [type(event) for event in events if not isinstance(event, Step)]
    assert kinds == [Queued, Loading, Loading, Started, Saved, Started, Saved, Finished]
    assert [event.number for event in events] == sorted({event.number for event in events})
    assert all(event.job == job and event.time > 0 for event in events)
    saved = [event for event in events if isinstance(event, Saved)]
    assert [(one.index, one.seed, one.width) for one in saved] == [(0, 7, 8), (1, 8, 8)]
    assert Image.open(saved[1].path).getpixel((0, 0)) == (8, 0, 0)
    assert service.status | {"pid": 0} == {
        "state": "ready",
        "device": "cpu",
        "dtype": "float32",
        "pid": 0,
        "message": "",
        "waiting": 0,
    }


async def test_the_images_in_hand_can_be_the_last(service: Service) -> None:
    job = service.submit(request("slow", count=3, batch_size=2, steps=3), "ann")
    await wait_for(service, job, Step)
    service.finish(job, "ann")
    events = await watch(service, job)
    assert isinstance(events[-1], Finished)
    assert [event.index for event in events if isinstance(event, Saved)] == [0, 1]
    service.finish(job, "ann")  # too late, and no harm
    with pytest.raises(JobNotFound):
        service.finish(job, "bob")


async def test_owners_take_turns_and_order_their_own_jobs(service: Service) -> None:
    first = await begun(service)
    ann = [service.submit(request(), "ann") for _ in range(3)]
    bob = service.submit(request(), "bob")
    service.move(ann[2], "ann", 0)
    with pytest.raises(JobNotFound):
        service.move(ann[2], "bob", 1)
    service.cancel(first, "ann")
    order = [ann[2], bob, ann[0], ann[1]]
    ends = [(await watch(service, job, "bob" if job == bob else "ann"))[-1] for job in order]
    assert all(isinstance(end, Finished) for end in ends)
    assert ends == sorted(ends, key=lambda end: end.time)


async def test_an_owner_sees_all_own_jobs_and_no_others(service: Service) -> None:
    first = await begun(service)
    waiting = service.submit(request("a cone"), "ann")
    service.submit(request(), "bob")
    seen = []
    async with asyncio.timeout(LIMIT), aclosing(service.watch_jobs("ann")) as lists:
        async for jobs in lists:
            seen.append([(job.id, job.state, job.position) for job in jobs])
            if len(seen) == 1:
                assert jobs[1].request.prompt == "a cone"
                service.cancel(first, "ann")
            elif all(job.state in ("done", "stopped") for job in jobs):
                break
    assert seen[0] == [(first, "running", 0), (waiting, "waiting", 1)]
    assert seen[-1] == [(first, "stopped", 0), (waiting, "done", 0)]


async def test_the_start_of_a_job_is_estimated_from_those_before(service: Service) -> None:
    await watch(service, service.submit(request(steps=100), "ann"))  # a second, it says
    running = service.submit(request(steps=500), "ann")
    await wait_for(service, running, Step)
    waiting = [service.submit(request(steps=steps), "ann") for steps in (200, 4)]
    jobs = {job.id: job for job in service.jobs("ann")}
    first, second = (jobs[job].starts for job in waiting)
    assert first > jobs[waiting[0]].created
    assert second - first == pytest.approx(2, abs=0.5)
    service.cancel(running, "ann")


async def test_closing_the_last_page_cancels_what_waits_if_so_wished(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Presence, "grace", 0.05)
    running = await begun(service, steps=100)
    waiting = [service.submit(request(), owner) for owner in ("ann", "bob")]
    for owner, wish in (("ann", True), ("bob", False)):
        service.enter(owner, "page", cancels=wish)
        service.leave(owner, "page")
    assert isinstance((await watch(service, waiting[0]))[-1], Cancelled)
    assert isinstance((await watch(service, running))[-1], Finished)
    assert isinstance((await watch(service, waiting[1], "bob"))[-1], Finished)


async def test_jobs_run_in_order_and_positions_follow(service: Service) -> None:
    jobs = [service.submit(request(), "ann") for _ in range(3)]
    ends = [(await watch(service, job))[-1] for job in jobs]
    assert all(isinstance(end, Finished) for end in ends)
    assert ends == sorted(ends, key=lambda end: end.time)
    third = await watch(service, jobs[2])
    assert [event.position for event in third if isinstance(event, Queued)] == [1]


async def test_a_late_watcher_sees_what_counts_and_may_start_anywhere(service: Service) -> None:
    job = service.submit(request(steps=20), "ann")
    await watch(service, job)
    again = await watch(service, job)
    steps = [event for event in again if isinstance(event, Step)]
    assert [(step.step, step.preview) for step in steps] == [(16, b"jpeg"), (20, None)]
    assert await watch(service, job, after=again[-2].number) == again[-1:]
    assert await watch(service, job, after=again[-1].number) == []


async def test_a_slow_watcher_falls_behind_in_nothing_but_steps(service: Service) -> None:
    job = service.submit(request(steps=50), "ann")
    seen: list[Event] = []
    async for event in service.events(job, "ann"):
        seen.append(event)
        await asyncio.sleep(0.1)
    assert {Queued, Loading, Started, Saved, Finished} <= {type(event) for event in seen}
    assert len([event for event in seen if isinstance(event, Step)]) < 20


@pytest.mark.parametrize("moment", [Loading, Started, Step])
async def test_a_run_is_cancelled_within_one_step(service: Service, moment: type[Event]) -> None:
    job = service.submit(request("slow", steps=500), "ann")
    await wait_for(service, job, moment)
    before = (await service.query("counts"))["steps"]
    service.cancel(job, "ann")
    last = (await watch(service, job))[-1]
    counts = await service.query("counts")
    assert isinstance(last, Cancelled)
    assert last.step == counts["steps"] <= before + 2  # one may have ended on the way here
    assert counts["releases"] == 1
    assert await works(service)


async def test_a_waiting_job_is_cancelled_without_a_run(service: Service) -> None:
    first, second, third = (service.submit(request(steps=20), "ann") for _ in range(3))
    await wait_for(service, first, Started)
    service.cancel(second, "ann")
    queued, cancelled = await watch(service, second)
    assert isinstance(queued, Queued)
    assert isinstance(cancelled, Cancelled)
    assert isinstance((await watch(service, third))[-1], Finished)
    service.cancel(third, "ann")  # too late, and no harm
    assert (await service.query("counts"))["runs"] == 2


async def test_of_jobs_cancelled_in_line_only_the_latest_are_kept(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Jobs, "max_ended", 3)
    running = await begun(service)
    for _ in range(10):
        service.cancel(service.submit(request(), "ann"), "ann")
    assert len(service.jobs("ann")) == 1 + 3
    service.cancel(running, "ann")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("refuse", "width is 7: a multiple of 8 is needed."),
        ("crash", "Internal error (RuntimeError): a kernel is unhappy"),
    ],
)
async def test_an_error_ends_its_job_alone(service: Service, prompt: str, message: str) -> None:
    last = (await watch(service, service.submit(request(prompt), "ann")))[-1]
    assert isinstance(last, Failed)
    assert last.message == message
    assert await works(service)
    assert (await service.query("counts"))["releases"] == 1


async def test_another_owner_finds_nothing(service: Service) -> None:
    job = service.submit(request(steps=20), "ann")
    for name, owner in [(job, "bob"), ("no-such-job", "ann")]:
        with pytest.raises(JobNotFound, match="no job"):
            await watch(service, name, owner)
        with pytest.raises(JobNotFound, match="no job"):
            service.cancel(name, owner)
    assert isinstance((await watch(service, job))[-1], Finished)


@pytest.mark.parametrize(
    ("fields", "error", "match"),
    [
        ({"steps": 0}, RequestError, "steps"),
        ({"width": 12}, RequestError, "width"),
        ({"prompt": " "}, RequestError, "prompt"),
        ({"model": "none"}, EngineError, "tiny"),
        ({"model": "../tiny"}, EngineError, "name"),
    ],
)
async def test_a_bad_request_is_refused_at_once(
    service: Service, fields: dict, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        service.submit(request(**fields), "ann")
    assert await works(service)


async def test_the_queue_of_an_owner_is_bounded(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Jobs, "max_own", 1)
    running = await begun(service)
    service.submit(request(), "ann")
    with pytest.raises(QueueFull, match="1 jobs of yours are waiting"):
        service.submit(request(), "ann")
    assert service.submit(request(), "bob")
    service.cancel(running, "ann")


async def test_the_queue_is_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Jobs, "max_waiting", 2)
    running = await begun(service)
    waiting = [service.submit(request(), "ann") for _ in range(2)]
    with pytest.raises(QueueFull, match="2 jobs are waiting"):
        service.submit(request(), "ann")
    service.cancel(running, "ann")
    for job in waiting:
        assert isinstance((await watch(service, job))[-1], Finished)


async def test_a_full_disk_ends_in_a_message(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        events = await watch(service, service.submit(request(count=16), "ann"))
    assert isinstance(events[-1], Failed)
    assert str(tmp_path / "out") in events[-1].message
    assert "No space left on device" in events[-1].message
    assert events[-1].pictures and events[-1].pictures[0][:4] == b"\x89PNG"
    assert not [event for event in events if isinstance(event, Saved)]
    files = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files <= {FILE}
    assert await works(service)
    assert (await service.query("counts"))["pictures"] < 16  # the device was not kept for the rest


async def test_all_that_was_drawn_at_once_is_shown_though_the_disk_is_full(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        events = await watch(service, service.submit(request(count=4, batch_size=4), "ann"))
    assert isinstance(events[-1], Failed)
    assert len(events[-1].pictures) == 4
    assert await works(service)


async def test_previews_can_be_left_out(service: Service) -> None:
    job = service.submit(request(), "ann", previews=False)
    async for event in service.events(job, "ann"):
        assert getattr(event, "preview", None) is None


async def test_a_cancel_does_not_wait_for_an_answer(service: Service) -> None:
    job = service.submit(request(steps=500), "ann")
    await wait_for(service, job, Step)
    question = asyncio.create_task(service.query("release"))
    await asyncio.sleep(0)  # it is asked now
    assert await service.query("echo", short=1) == {"short": 1}  # nor does a short answer
    service.cancel(job, "ann")
    assert isinstance((await watch(service, job))[-1], Cancelled)
    assert await question == 1


async def test_a_wrong_query_is_told_and_does_no_harm(service: Service) -> None:
    with pytest.raises(WorkerDown, match="starting"):
        await Service(lambda: StubThread("", "", Path()), Path(), Path()).query("counts")
    await until(service, "ready")
    with pytest.raises(EngineError, match="no query 'weather'"):
        await service.query("weather")
    assert await works(service)


async def test_stopping_ends_every_job(service: Service) -> None:
    jobs = [service.submit(request(steps=500), "ann") for _ in range(2)]
    await wait_for(service, jobs[0], Started)
    await asyncio.to_thread(service.stop)
    for job in jobs:
        last = (await watch(service, job))[-1]
        assert isinstance(last, Failed)
        assert last.message == "Stepwise was stopped."
    with pytest.raises(WorkerDown, match="stopped"):
        service.submit(request(), "ann")
