"""What machines ask, in every state of the engine."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Match
from starlette.testclient import TestClient

from engine.service import Service
from engine.service.supervisor import Supervisor
from engine.service.workers import Worker
from tests.service.stub import LIMIT, StubProcess, StubRunner, StubThread, request
from tests.ui.page import launch_page
from tests.ui.stub import StubWorker, stub_models
from ui.metrics import CONTENT_TYPE, Family, Sample, render
from ui.probes import probe_routes

PATHS = ("/health", "/ready", "/metrics")
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
ENDINGS = {"counter": {""}, "gauge": {""}, "summary": {"_sum", "_count"}}


def parse(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples by name and labels; fails for what version 0.0.4 of the format does not allow.

    Stricter than that: every family has a help and a type, in this order, before its samples.
    """
    assert text.endswith("\n")
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    family, kind, seen = "", "", set[str]()
    for line in text.removesuffix("\n").split("\n"):
        if told := re.fullmatch(rf"# HELP ({NAME}) (?:[^\\]|\\[\\n])+", line):
            family, kind = told[1], ""
            assert family not in seen
            seen.add(family)
        elif told := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|summary)", line):
            assert told[1] == family and not kind
            kind = told[2]
            assert (kind == "counter") == family.endswith("_total")
        else:
            told = SAMPLE.fullmatch(line)
            assert told, line
            assert kind and told[1].removeprefix(family) in ENDINGS[kind], line
            labels = tuple((key, unescaped(value)) for key, value in re.findall(LABEL, line))
            assert (told[1], labels) not in found, line
            found[told[1], labels] = float(told[told.re.groups])
    return found


def unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), value)


@contextmanager
def asked(service: Service) -> Iterator[TestClient]:
    """A client of the probes of a service, which is stopped in the end."""
    try:
        with TestClient(Starlette(routes=probe_routes(service))) as client:
            yield client
    finally:
        service.stop()


def shown(client: TestClient, state: str) -> tuple[int, int]:
    """The statuses of /health and /ready once they tell a state; the pages hold nothing else."""
    end = time.monotonic() + LIMIT
    while (content := client.get("/health").json())["state"] != state:
        assert time.monotonic() < end, content
        time.sleep(0.01)
    assert content.keys() == {"state", "message"} and content["message"]
    health, ready = client.get("/health"), client.get("/ready")
    assert ready.json() == health.json() == content
    assert health.headers["cache-control"] == "no-store"
    return health.status_code, ready.status_code


class GatedWorker(StubThread):
    """Is ready when its gate is opened."""

    def __init__(self, models: Path) -> None:
        super().__init__("cpu", "float32", models)
        self.gate = threading.Event()

    def make_runner(self, *_: object) -> StubRunner:
        self.gate.wait(LIMIT)
        return super().make_runner()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return stub_models(tmp_path / "models")


def test_the_states_of_the_engine_from_its_start_to_its_end(models: Path, tmp_path: Path) -> None:
    workers: list[GatedWorker] = []

    def make() -> Worker:
        workers.append(GatedWorker(models))
        return workers[-1]

    service = Service(make, tmp_path, models)
    with asked(service) as client:
        assert shown(client, "starting") == (200, 503)
        service.start()
        assert shown(client, "starting") == (200, 503)
        workers[0].gate.set()
        assert shown(client, "ready") == (200, 200)
        service.submit(request("slow", model="stub", steps=500), "ann")
        assert shown(client, "busy") == (200, 200)
        workers[0].stop()  # as if it had ended by itself
        assert shown(client, "restarting") == (200, 503)
        workers[1].gate.set()
        assert shown(client, "ready") == (200, 200)
        service.stop()
        assert shown(client, "stopped") == (503, 503)


def test_an_engine_that_is_given_up_is_told_without_its_words(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(StubThread):
        def make_runner(self, *_: object) -> StubRunner:
            raise OSError("/home/ann/libcuda.so is missing")

    monkeypatch.setattr(Supervisor, "pause", 0.01)
    monkeypatch.setattr(Supervisor, "longest_pause", 0.01)
    service = Service(lambda: Broken("cpu", "float32", models), tmp_path, models)
    with asked(service) as client:
        service.start()
        assert shown(client, "dead") == (503, 503)
        assert "/home/ann" in service.status["message"]
        for path in PATHS:
            assert "ann" not in client.get(path).text
        figures = parse(client.get("/metrics").text)
        assert figures["stepwise_worker_ready", ()] == 0
        assert figures["stepwise_worker_deaths_total", ()] >= Supervisor.patience


def test_all_is_answered_within_a_step_and_tells_no_secret(models: Path, tmp_path: Path) -> None:
    service = Service(lambda: StubProcess("cpu", "float32", models), tmp_path, models)
    with asked(service) as client:
        service.start()
        shown(client, "ready")
        service.submit(request("hang", model="stub", steps=500), "owner-secret")  # a minute a step
        waits = service.submit(request("prompt-secret", model="stub"), "owner-secret")
        shown(client, "busy")
        answers = {path: client.get(path) for path in PATHS}
        assert [answer.status_code for answer in answers.values()] == [200, 200, 200]
        figures = parse(answers["/metrics"].text)
        assert figures["stepwise_jobs_running", ()] == figures["stepwise_jobs_waiting", ()] == 1
        assert figures["stepwise_owners", ()] == 1
        secrets = ("secret", waits, str(tmp_path), str(service.status["pid"]))
        for answer in answers.values():
            assert not [one for one in secrets if one in answer.text + str(answer.headers)]


def test_metrics_count_what_happened(models: Path, tmp_path: Path) -> None:
    service = Service(lambda: StubThread("cpu", "float32", models), tmp_path, models)
    with asked(service) as client:
        assert set(parse(client.get("/metrics").text).values()) == {0}
        service.start()
        for prompt, count in (("a cube", 3), ("crash", 1), ("a cone", 1)):
            service.submit(request(prompt, model="stub", count=count), "ann")
        stopped = service.submit(request(model="stub"), "ann")
        service.cancel(stopped, "ann")
        end = time.monotonic() + LIMIT
        while service.tally().totals.done < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        answer = client.get("/metrics")
        assert answer.headers["content-type"] == CONTENT_TYPE
        assert parse(answer.text) == {
            ("stepwise_jobs_submitted_total", ()): 4,
            ("stepwise_jobs_ended_total", (("outcome", "done"),)): 2,
            ("stepwise_jobs_ended_total", (("outcome", "stopped"),)): 1,
            ("stepwise_jobs_ended_total", (("outcome", "failed"),)): 1,
            ("stepwise_jobs_refused_total", ()): 0,
            ("stepwise_images_total", ()): 4,
            ("stepwise_jobs_waiting", ()): 0,
            ("stepwise_jobs_running", ()): 0,
            ("stepwise_owners", ()): 0,
            ("stepwise_worker_ready", ()): 1,
            ("stepwise_worker_starts_total", ()): 1,
            ("stepwise_worker_deaths_total", ()): 0,
            ("stepwise_drawing_seconds_sum", ()): 2,
            ("stepwise_drawing_seconds_count", ()): 2,
        }


def test_what_a_label_or_a_help_may_not_hold_is_escaped() -> None:
    nasty = 'a "b"\\n\nc'
    text = render([Family("x", "gauge", nasty, (Sample(0.5, ("key", nasty)),))])
    assert text.count("\n") == 3
    assert parse(text) == {("stepwise_x", (("key", nasty),)): 0.5}


@pytest.fixture
def page(models: Path, tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """Address and blocks of a page that asks for a password."""
    service = Service(lambda: StubWorker(models), tmp_path, models)
    blocks, _, url = launch_page(service, models, tmp_path, auth=[("ann", "word")])
    yield url.rstrip("/"), blocks
    blocks.close(verbose=False)


def test_the_probes_need_no_password_and_hide_nothing_of_gradios(page: tuple[str, Any]) -> None:
    url, blocks = page
    assert httpx.get(url + "/config", timeout=LIMIT).status_code == 401
    codes = [httpx.get(url + path, timeout=LIMIT).status_code for path in PATHS]
    assert codes == [200, 503, 200]  # the engine was not started
    for path in PATHS:
        scope = {"type": "http", "method": "GET", "path": path}
        taking = [one for one in blocks.app.routes if one.matches(scope)[0] == Match.FULL]
        assert [one.path for one in taking] == [path]
