import pytest

from engine.service.errors import JobNotFound, QueueFull
from engine.service.events import Changed, Failed, Finished, Frame, Queued, Started, Step
from engine.service.job import Job
from engine.service.jobs import Jobs
from tests.service.stub import request


def job(owner: str = "ann") -> Job:
    return Job(owner, request(), previews=True, pictures={})


def step(number: int, preview: bytes | None) -> Step:
    at = {"step": number, "total": 9, "call": number, "calls": 9}
    return Step(**at, seconds=0.0, rate=1.0, preview=preview)


def test_a_job_keeps_the_newest_step_and_the_newest_picture() -> None:
    one = job()
    one.publish(Started(total=9, count=1))
    for number in range(1, 1000):
        one.publish(step(number, b"jpeg" if number % 10 == 0 else None))
    kept = [event.step for event in one.events if isinstance(event, Step)]
    assert kept == [990, 999]
    assert [event.number for event in one.events] == [1, 991, 1000]
    assert one.since(1) == one.events[1:]


def test_a_job_keeps_its_whole_film() -> None:
    one = job()
    for number in range(1, 101):
        one.publish(step(number, b"jpeg"))
        if number % 10 == 0:
            one.publish(Frame(index=number // 10 - 1, total=10, step=number, preview=b"jpeg"))
    assert [event.step for event in one.events if isinstance(event, Frame)] == [*range(10, 101, 10)]


def test_nothing_follows_the_end() -> None:
    one = job()
    one.publish(Finished(seconds=1.0))
    one.publish(Failed(message="late"))
    assert [type(event) for event in one.events] == [Finished]


def test_positions_are_told_when_they_change() -> None:
    jobs, line = Jobs(), [job() for _ in range(4)]
    for one in line:
        jobs.add(one)
    jobs.remove(line[1])
    told = [[event.position for event in one.events if isinstance(event, Queued)] for one in line]
    assert told == [[1], [2], [2], [3]]
    assert [one.events[-1].number for one in line] == [1, 1, 2, 2]
    assert jobs.first is line[0]


def test_as_many_jobs_wait_as_fit_and_as_many_ended_ones_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Jobs, "max_waiting", 2)
    monkeypatch.setattr(Jobs, "max_ended", 3)
    jobs, ended = Jobs(), []
    for _ in range(10):
        ended.append(job())
        jobs.add(ended[-1])
        jobs.start(ended[-1])
        ended[-1].publish(Finished(seconds=1.0))
        jobs.end()
    jobs.add(job())
    jobs.add(job())
    with pytest.raises(QueueFull, match="2 jobs are waiting"):
        jobs.add(job())
    assert [jobs.find(one.id, "ann") for one in ended[-3:]] == ended[-3:]
    with pytest.raises(JobNotFound):
        jobs.find(ended[-4].id, "ann")


def test_ids_cannot_be_guessed() -> None:
    ids = {job().id for _ in range(100)}
    assert len(ids) == 100
    assert min(len(one) for one in ids) >= 20


def test_a_change_that_is_refused_leaves_a_waiting_job_in_line() -> None:
    jobs, one = Jobs(), job()
    jobs.add(one)
    one.publish(Changed(step=1, call=0, settings={}, refused="steps is 0"))
    assert (one.info.state, one.info.position, one.begun) == ("waiting", 1, False)
    jobs.start(one)
    assert one.info.state == "running" and not one.begun
    jobs.running = None
    jobs.put_back(one)
    assert one.info.state == "waiting"
