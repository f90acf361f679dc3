from engine.service.job import Job
from engine.service.line import Line
from tests.service.stub import request


def line_of(owners: str) -> tuple[Line, list[Job]]:
    line, jobs = Line(), [Job(owner, request(), True, {}) for owner in owners]
    for job in jobs:
        line.add(job)
    return line, jobs


def order(line: Line) -> str:
    return "".join(job.owner for job in line)


def test_owners_take_turns() -> None:
    line, jobs = line_of("aaaabbc")
    assert order(line) == "abcabaa"
    started = []
    while line:
        started.append(next(iter(line)))
        line.start(started[-1])
    assert "".join(job.owner for job in started) == "abcabaa"
    assert [job for job in started if job.owner == "a"] == jobs[:4]


def test_who_has_just_had_a_turn_waits_for_the_others() -> None:
    line, jobs = line_of("aab")
    line.start(jobs[0])
    assert order(line) == "ba"
    line.add(Job("c", request(), True, {}))
    assert order(line) == "bac"


def test_what_is_put_back_is_next() -> None:
    line, jobs = line_of("aab")
    line.start(jobs[0])
    line.put_back(jobs[0])
    assert next(iter(line)) is jobs[0]
    assert order(line) == "aba"


def test_moving_and_removing_changes_no_turn_of_others() -> None:
    line, jobs = line_of("ababa")
    line.move(jobs[4], 0)
    assert line.of("a") == [jobs[4], jobs[0], jobs[2]]
    assert order(line) == "ababa"
    assert line.remove(jobs[0])
    assert not line.remove(jobs[0])
    assert list(line) == [jobs[4], jobs[1], jobs[2], jobs[3]]
    line.move(jobs[0], 0)  # it does not wait any more
    assert len(line) == 4
