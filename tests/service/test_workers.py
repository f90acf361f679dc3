"""Processes that die: the worker, and the one that it works for."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.service import Service, WorkerDown
from engine.service.events import Cancelled, Event, Failed, Finished, Loading, Started, Step
from engine.service.messages import Ready
from engine.service.supervisor import Supervisor
from engine.service.workers import ROOT, TUNING, Worker
from tests.service.stub import StubProcess, StubRunner, StubThread, request, until, wait_for, watch

Make = Callable[[Callable[[], Worker]], Service]


@pytest.fixture
def make(tmp_path: Path, models: Path) -> Iterator[Make]:
    made = []

    def start(factory: Callable[[], Worker]) -> Service:
        made.append(Service(factory, outputs=tmp_path / "out", models=models))
        made[-1].start()
        return made[-1]

    yield start
    for service in made:
        service.stop()


@pytest.fixture
def service(make: Make, models: Path) -> Service:
    return make(lambda: StubProcess("cpu", "float32", models))


def gone(pid: int) -> bool:
    """Whether a process ends within a few seconds."""
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # A child of a dead parent stays as a zombie where nobody collects it.
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("moment", [Loading, Started, Step])
async def test_a_killed_worker_fails_its_job_alone(service: Service, moment: type[Event]) -> None:
    killed = service.submit(request(steps=500), "ann")
    next_one = service.submit(request(), "bob")
    await wait_for(service, killed, moment)
    pid = service.status["pid"]
    os.kill(pid, signal.SIGKILL)
    last = (await watch(service, killed))[-1]
    assert isinstance(last, Failed)
    assert last.message == (
        "The engine's process stopped unexpectedly (signal 9, perhaps out of memory). "
        "A new one is starting; your other jobs go on."
    )
    assert isinstance((await watch(service, next_one, "bob"))[-1], Finished)
    assert service.status["pid"] != pid
    assert service.status["message"] == ""


async def test_a_worker_killed_while_idle_is_replaced(service: Service) -> None:
    pid = (await until(service, "ready"))["pid"]
    os.kill(pid, signal.SIGKILL)
    assert isinstance((await watch(service, service.submit(request(), "ann")))[-1], Finished)
    assert service.status["pid"] != pid


async def test_a_cancelled_job_is_cancelled_even_if_its_worker_dies(service: Service) -> None:
    job = service.submit(request(steps=500), "ann")
    await wait_for(service, job, Step)
    os.kill(service.status["pid"], signal.SIGSTOP)
    service.cancel(job, "ann")
    os.kill(service.status["pid"], signal.SIGKILL)
    last = (await watch(service, job))[-1]
    assert isinstance(last, Cancelled)
    assert last.step >= 1


async def test_jobs_that_kill_their_worker_do_not_stop_the_others(service: Service) -> None:
    jobs = [service.submit(request(p), "ann") for p in ["die"] * 4 + ["a cube"]]
    ends = [(await watch(service, job))[-1] for job in jobs]
    assert [type(end) for end in ends] == [Failed] * 4 + [Finished]


async def test_a_query_does_not_outlive_its_worker(service: Service) -> None:
    pid = (await until(service, "ready"))["pid"]
    os.kill(pid, signal.SIGSTOP)
    question = asyncio.create_task(service.query("counts"))
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerDown, match="signal 9"):
        await asyncio.wait_for(question, 10)


async def test_a_worker_that_never_starts_is_reported_and_not_tried_for_ever(
    make: Make, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = []

    class Broken(StubThread):
        def make_runner(self, *_: object) -> StubRunner:
            starts.append(time.monotonic())
            if fail:
                raise OSError("libcuda is missing")
            return StubRunner()

    fail = True
    monkeypatch.setattr(Supervisor, "pause", 0.05)
    service = make(lambda: Broken("cpu", "float32", models))
    job = service.submit(request(), "ann")
    last = (await watch(service, job))[-1]
    assert isinstance(last, Failed)
    assert "does not start: Internal error (OSError): libcuda is missing." in last.message
    assert len(starts) == Supervisor.patience
    assert service.status["state"] == "dead"
    assert service.status["message"] == last.message
    with pytest.raises(WorkerDown, match="libcuda is missing"):
        service.submit(request(), "ann")
    fail = False
    await until(service, "ready")
    assert starts[-1] - starts[-2] >= 0.2  # 0.05 s, doubled twice
    assert isinstance((await watch(service, service.submit(request(), "ann")))[-1], Finished)


async def test_a_module_that_cannot_be_run_is_a_dead_worker(make: Make, models: Path) -> None:
    class Nowhere(StubProcess):
        module = "tests.service.nowhere"

    service = make(lambda: Nowhere("cpu", "float32", models))
    status = await until(service, "dead")
    assert "exit code 1" in status["message"]


@pytest.mark.parametrize("name", TUNING)
@pytest.mark.parametrize("given", [None, "glibc.malloc.tcache_count=0"])
def test_the_process_is_tuned_unless_the_user_says_otherwise(
    name: str, given: str | None, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name, raising=False)
    if given:
        monkeypatch.setenv(name, given)
    worker = StubProcess("cpu", "float32", models)
    worker.start()
    reports = worker.messages()
    ready = next(reports)
    assert isinstance(ready, Ready)
    environ = Path(f"/proc/{ready.pid}/environ").read_bytes().decode().split("\0")
    worker.stop()
    worker.ended()
    assert f"{name}={given or TUNING[name]}" in environ


async def test_stop_ends_the_process_in_mid_step(service: Service) -> None:
    await wait_for(service, service.submit(request("hang"), "ann"), Step)
    pid = service.status["pid"]
    began = time.monotonic()
    await asyncio.to_thread(service.stop)
    assert time.monotonic() - began < 30  # that step takes a minute
    assert gone(pid)


PARENT = """
import asyncio, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from engine.service import ProcessWorker, Service
from engine.pipelines.request import Request
ProcessWorker.module = "tests.service.stub"
models = Path(sys.argv[1])
service = Service(lambda: ProcessWorker("cpu", "float32", models), models / "out", models)
service.start()
job = service.submit(Request("tiny", "hang"), "ann")
async def first_step():
    async for event in service.events(job, "ann"):
        if type(event).__name__ in ("Step", "Failed"):
            return
asyncio.run(asyncio.wait_for(first_step(), 60))
print(service.status["pid"], "torch" in sys.modules, "gradio" in sys.modules, flush=True)
time.sleep(60)
"""


def test_a_worker_ends_with_its_parent_which_has_no_torch(models: Path, tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()  # another package of that name where the program is started
    (tmp_path / "engine" / "__init__.py").write_text("raise SystemExit('the wrong engine')")
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT, str(models), str(ROOT)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        pid, *imported = parent.stdout.readline().split()
        assert imported == ["False", "False"]
        assert not Path(f"/proc/{pid}/cwd").samefile(ROOT)
    finally:
        parent.kill()
        parent.communicate()
    assert gone(int(pid))
