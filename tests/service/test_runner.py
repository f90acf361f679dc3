"""The engine itself behind the service, on a small random checkpoint."""

import asyncio
import gc
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from engine.errors import RunCancelled
from engine.pipelines.changes import Change
from engine.pipelines.control import Control
from engine.pipelines.request import Request
from engine.schedulers import scheduler_named
from engine.service import ProcessWorker, Service
from engine.service.events import (
    Cancelled,
    Event,
    Failed,
    Finished,
    Frame,
    Loading,
    Saved,
    Started,
    Step,
)
from engine.service.messages import Picture, Run
from engine.service.metadata import CHUNK
from engine.service.runner import EngineRunner
from tests.service.pictures import pictures, pixels, run, saved, serving
from tests.service.stub import request, wait_for, watch


@pytest.fixture(scope="module")
def service(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    models = tiny_checkpoint.parent
    with serving(models, tmp_path_factory.mktemp("outputs")) as made:
        yield made


async def test_the_same_seed_twice_is_the_same_to_the_byte(service: Service) -> None:
    asked = request(seed=3, scheduler="PNDM")
    first, second = [saved(await run(service, asked))[0] for _ in range(2)]
    assert first != second
    assert pixels(first).shape == (64, 64, 3)
    assert first.read_bytes() == second.read_bytes()
    assert (pixels(first) != (await pictures(service, replace(asked, seed=4)))[0]).any()


@pytest.mark.parametrize("count", [1, 3])
async def test_previews_change_no_pixel(service: Service, count: int) -> None:
    asked = request(steps=20, count=count)
    with_them, without = await pictures(service, asked), await pictures(service, asked, False)
    assert len(with_them) == count
    assert all((one == other).all() for one, other in zip(with_them, without, strict=True))


async def test_previews_come_early_are_small_and_change(service: Service) -> None:
    job = service.submit(request(steps=100, count=3, batch_size=3), "ann")
    frames: dict[int, bytes] = {}
    async for event in service.events(job, "ann"):
        if isinstance(event, Step) and event.preview:
            frames[event.step] = event.preview
            assert event.seconds > 0
            assert event.rate > 0
    assert isinstance(event, Finished)
    assert min(frames) < 25
    assert len(set(frames.values())) >= 2
    assert 2 <= len(frames) <= event.figures["previews"] <= 8 * event.seconds + 1
    assert 0 < event.figures["preview_seconds"] < event.seconds
    frame = Image.open(io.BytesIO(frames[min(frames)]))
    assert frame.format == "JPEG"
    assert frame.size == (128, 128)  # two by two


async def test_an_image_of_a_batch_is_the_run_of_its_seed_alone(service: Service) -> None:
    batch = await pictures(service, request(seed=10, count=3, batch_size=3))
    alone = [(await pictures(service, request(seed=10 + index)))[0] for index in range(3)]
    for one, other in zip(batch, alone, strict=True):
        assert abs(one - other).max() <= 1  # sums over a batch may round differently
    assert abs(batch[0] - batch[1]).max() > 1


async def test_images_drawn_one_after_another_are_the_runs_of_their_seeds(service: Service) -> None:
    job = service.submit(request(seed=10, count=3), "ann")
    events = [event async for event in service.events(job, "ann")]
    kinds = [type(event) for event in events if isinstance(event, Started | Saved)]
    assert kinds == [Started, Saved] * 3
    starts = [event for event in events if isinstance(event, Started)]
    assert [(one.first, one.count, one.pictures) for one in starts] == [(i, 1, 3) for i in range(3)]
    assert [event.seed for event in events if isinstance(event, Saved)] == [10, 11, 12]
    for index, path in enumerate(saved(events)):
        alone = (await pictures(service, request(seed=10 + index)))[0]
        assert (pixels(path) == alone).all()
    assert isinstance(events[-1], Finished)
    assert len(events[-1].trace["sigma"]) == 4  # of the last image


async def test_what_is_changed_on_the_way_holds_for_the_images_after(service: Service) -> None:
    planned = (Change(2, guidance_scale=1.0),)
    job = service.submit(request(steps=30, count=2, changes=planned), "ann")
    await wait_for(service, job, Step)
    service.change(job, "ann", scheduler="Euler a")
    events = [event async for event in service.events(job, "ann")]
    requests = []
    for path in saved(events):
        record = json.loads(Image.open(path).info[CHUNK])["request"]
        requests.append(Request.from_dict(record))
        again = (await pictures(service, requests[-1]))[0]
        assert (again == pixels(path)).all()
    first, second = requests
    assert first.scheduler == ""
    assert {"scheduler": "Euler a"} in [change.settings for change in first.changes]
    assert second.scheduler == "Euler a"
    assert second.changes == planned
    assert second.guidance_scale == first.guidance_scale


async def test_a_switch_of_scheduler_loads_nothing_and_does_not_last(service: Service) -> None:
    own = await pictures(service, request())
    before = await service.query("figures")
    events = await run(service, request(scheduler="Euler"))
    assert not [event for event in events if isinstance(event, Loading)]
    assert isinstance(events[-1], Finished)
    assert events[-1].loaded == ()
    assert (await service.query("figures"))["components"] == before["components"]
    again = await pictures(service, request())
    assert (again[0] == own[0]).all()
    assert (pixels(saved(events)[0]) != own[0]).any()


@pytest.mark.parametrize("scheduler", ["Euler", "DPM++ 2M Karras"])
async def test_a_png_makes_itself_again(service: Service, scheduler: str) -> None:
    asked = request(
        "a red cube", seed=7, count=2, batch_size=2, scheduler=scheduler, guidance_scale=3.0
    )
    path = saved(await run(service, asked))[1]
    # what Python takes and other readers of JSON do not
    record: dict[str, Any] = json.loads(Image.open(path).info[CHUNK], parse_constant=pytest.fail)
    assert record["scheduler"]["_class_name"] == type(scheduler_named(scheduler, {})).__name__
    assert record["scheduler"]["beta_end"] == 0.012
    assert (record["device"], record["dtype"]) == ("cpu", "float32")
    assert set(record["versions"]) == {"python", "torch"}
    weights = record["weights"]["unet/diffusion_pytorch_model.safetensors"]
    assert re.fullmatch("[0-9a-f]{64}", weights)
    whole = replace(
        Request.from_dict(record["request"]),
        seed=record["batch"]["seed"],
        count=record["batch"]["count"],
        batch_size=record["batch"]["count"],
    )
    again = await pictures(service, whole)
    assert (again[record["batch"]["index"]] == pixels(path)).all()


@pytest.mark.parametrize("moment", [Loading, Started, Step, Picture])
def test_after_a_cancel_no_step_begins(tiny_checkpoint: Path, moment: type) -> None:
    control = Control()
    after: list[Event | Picture] = []
    events = EngineRunner("cpu", "float32", tiny_checkpoint.parent).run(
        Run("job", request(steps=20, count=2, batch_size=2), previews=True), control
    )
    for event in events:
        if isinstance(event, moment):
            break
    control.cancel()
    with pytest.raises(RunCancelled):
        after.extend(events)
    # The component that is being read is read to its end, and a step that was made has its frame.
    assert [event for event in after if not isinstance(event, Loading | Frame)] == []


def tensor_elements() -> int:
    kinds = (torch.Tensor, torch.nn.Parameter)
    return sum(one.numel() for one in gc.get_objects() if type(one) in kinds)


async def test_a_cancelled_run_leaves_no_tensor_behind(service: Service) -> None:
    asked = request(steps=100, count=2, batch_size=2)
    left = []
    for _ in range(3):
        job = service.submit(asked, "ann")
        await wait_for(service, job, Step)
        service.cancel(job, "ann")
        assert isinstance((await watch(service, job))[-1], Cancelled)
        left.append(tensor_elements())
    assert left[1] == left[2]
    assert isinstance((await run(service, request()))[-1], Finished)


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda model: shutil.rmtree(model / "vae"), "vae"),
        (lambda model: (model / "unet/config.json").write_text("{"), "config.json"),
        (
            lambda model: (model / "unet/diffusion_pytorch_model.safetensors").write_text(
                "version https://git-lfs.github.com/spec/v1\n"
            ),
            "LFS",
        ),
    ],
    ids=["missing", "broken", "pointer"],
)
async def test_a_damaged_model_is_named_and_the_next_job_works(
    service: Service, tiny_checkpoint: Path, damage: Any, match: str
) -> None:
    model = tiny_checkpoint.parent / "damaged"
    shutil.copytree(tiny_checkpoint, model)
    try:
        damage(model)
        try:
            message = ""
            job = service.submit(request(model="damaged"), "ann")
        except ValueError as error:  # what the catalog reads is known before there is a job
            message = str(error)
        else:
            last = (await watch(service, job))[-1]
            assert isinstance(last, Failed)
            message = last.message
    finally:
        shutil.rmtree(model)
    assert match in message
    assert "Internal error" not in message
    await run(service, request())


async def test_the_worker_process_draws_what_the_thread_draws(
    service: Service, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    models = tiny_checkpoint.parent
    apart = Service(lambda: ProcessWorker("auto", "auto", models), tmp_path, models)
    apart.start()
    try:
        job = apart.submit(request(), "ann")
        first = (await watch(apart, job))[-1]
        assert isinstance(first, Finished)
        assert set(first.loaded) >= {"unet", "vae", "text_encoder"}
        here = await pictures(service, request())
        there = await pictures(apart, request())
        assert (here[0] == there[0]).all()
    finally:
        await asyncio.to_thread(apart.stop)
