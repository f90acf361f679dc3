from pathlib import Path

import httpx

from engine.pipelines.request import Request
from engine.service import JobInfo, Service
from tests.api import PATIENCE
from tests.ui.page import launch_page
from tests.ui.stub import SECRET, StubWorker, stub_models
from ui.queue import SHOWN, queue_lines
from ui.session import Owners

TITLES = {"text-to-image": "Text to image"}


def job(state: str, position: int = 0, **fields: object) -> JobInfo:
    request = Request("tiny", **{"prompt": "a <b> cube", **fields})
    return JobInfo(
        id=f"id-{state}-{position}",
        label="text-to-image",
        request=request,
        state=state,
        position=position,
        starts=0.0,
        created=0.0,
    )


def test_one_run_alone_needs_no_queue() -> None:
    assert queue_lines([], TITLES) == []
    assert queue_lines([job("running")], TITLES) == []


def test_a_line_says_what_where_and_how_many_before_it() -> None:
    lines = queue_lines([job("running"), job("waiting", 1), job("waiting", 4)], TITLES)
    heading, runs, following, fourth = lines
    assert "2 runs waiting" in heading
    assert "Going on" in runs and "Stop" in runs
    assert "Next" in following and "3 ahead" in fourth
    assert all("Text to image" in line for line in (runs, following, fourth))
    assert "a &lt;b&gt; cube" in following and "<b>" not in "".join(lines)


def test_only_what_is_possible_can_be_pressed() -> None:
    _, first, last = queue_lines([job("waiting", 1), job("waiting", 2)], TITLES)
    assert 'data-act="earlier" disabled' in first and 'data-act="later" disabled' not in first
    assert 'data-act="later" disabled' in last and 'data-act="earlier" disabled' not in last


def test_the_settings_are_those_that_mean_something() -> None:
    waits = job("waiting", 1, steps=7, task="unconditional")
    (_, plain), (_, varied) = (
        queue_lines([one], TITLES)
        for one in (waits, job("waiting", 1, variation_strength=0.25, variation_seed=3))
    )
    assert "<dt>steps</dt><dd>7</dd>" in plain and "guidance" not in plain
    assert "variation" not in plain and "<dt>variation strength</dt><dd>0.25</dd>" in varied


def test_a_long_prompt_is_cut() -> None:
    (_, line) = queue_lines([job("waiting", 1, prompt="ä" * 9_000)], TITLES)
    assert "ä" * SHOWN + "…" in line and len(line) < 3_000


def test_nobody_ends_the_run_of_another_by_its_id(tmp_path: Path) -> None:
    models, outputs = stub_models(tmp_path / "models"), tmp_path / "outputs"
    service = Service(lambda: StubWorker(models, pace=0.2), outputs, models)
    page, _, url = launch_page(service, models, outputs)
    (press,) = [e._id for e in page.fns.values() if "build_queue.<locals>.act" in str(e.fn)]
    mine, theirs = (Owners(SECRET).session(None) for _ in range(2))
    made_up = {"owner": f"{mine['owner'][:32]}.{theirs['owner'][33:]}"}
    service.start()
    try:
        run = Request("stub", "a", steps=1000)
        jobs = [service.submit(run, mine["owner"]) for _ in range(2)]

        def left_after(session: object) -> list[str]:
            """The runs that are left once both were removed in the name of a session."""
            for job in jobs:
                asked = {"fn_index": press, "session_hash": "a", "data": [session]}
                asked["event_data"] = {"act": "remove", "job": job}
                httpx.post(
                    f"{url}gradio_api/run/predict", json=asked, timeout=PATIENCE
                ).raise_for_status()
            return [job.id for job in service.jobs(mine["owner"]) if job.state == "waiting"]

        for session in (theirs, made_up, {}, None, {"owner": mine["owner"][:32]}):
            assert left_after(session) == jobs[1:]
            assert service.status["state"] == "busy"
        assert left_after(mine) == []
    finally:
        page.close(verbose=False)
        service.stop()
