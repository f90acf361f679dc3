"""Live changes and questions, with the engine itself behind the service."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import EngineError
from engine.pipelines.control import Control
from engine.pipelines.request import Request
from engine.service import Service
from engine.service.events import Changed, Event, Finished, Frame, Step
from engine.service.messages import Picture, Run
from engine.service.metadata import CHUNK
from engine.service.runner import EngineRunner
from tests.samplers import SAMPLERS
from tests.service.pictures import pictures, pixels, run, saved, serving
from tests.service.stub import request, wait_for, watch

FILM = Request("tiny-ddpm", task="unconditional", seed=3)


@pytest.fixture(scope="module")
def models(
    tiny_checkpoint: Path, tiny_ddpm_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("both")
    for checkpoint in (tiny_checkpoint, tiny_ddpm_checkpoint):
        (folder / checkpoint.name).symlink_to(checkpoint)
    return folder


@pytest.fixture(scope="module")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(models, tmp_path_factory.mktemp("outputs")) as made:
        yield made


def told(models: Path, asked: Request, after: dict[int, Any]) -> list[Event | Picture]:
    """What a runner tells of a run; after so many of its steps these settings are asked for."""
    control, events, steps = Control(), list[Event | Picture](), 0
    for event in EngineRunner("cpu", "float32", models).run(Run("job", asked, True), control):
        events.append(event)
        if isinstance(event, Step):
            steps += 1
            if steps in after:
                control.change(**after[steps])
    return events


async def test_a_png_of_a_changed_run_makes_itself_again(service: Service) -> None:
    job = service.submit(
        request(steps=1000, count=2, batch_size=2, scheduler="Euler", seed=7), "ann"
    )
    await wait_for(service, job, Step)
    service.change(job, "ann", scheduler="DPM++ 2M Karras", guidance_scale=1.0)
    await wait_for(service, job, Changed)
    service.change(job, "ann", scheduler="Flow Euler")
    service.change(job, "ann", steps=4, scheduler="Euler a")
    events = await watch(service, job)
    told = [event for event in events if isinstance(event, Changed)]
    assert [bool(event.refused) for event in told] == [False, True, False]
    path = saved(events)[0]
    record: dict[str, Any] = json.loads(Image.open(path).info[CHUNK])
    assert record["scheduler"]["_class_name"] == "EulerDiscreteScheduler"  # that it began with
    assert record["request"]["changes"] == [
        {"call": event.call, **event.settings} for event in told if not event.refused
    ]
    whole = Request.from_dict(record["request"] | {"count": 2, "batch_size": 2})
    assert (pixels(saved(await run(service, whole))[0]) == pixels(path)).all()


async def test_the_trace_has_a_value_for_every_call(service: Service) -> None:
    asked = request(steps=6, scheduler="Heun", count=2, batch_size=2)
    last = (await run(service, asked))[-1]
    assert isinstance(last, Finished)
    assert {len(values) for values in last.trace.values()} == {11}
    plan = await service.query("schedule", model="tiny", scheduler="Heun", steps=6)
    assert plan["calls"] == 11
    assert last.trace["sigma"] == tuple(plan["sigmas"][:-1])
    assert last.trace["timestep"] == tuple(plan["timesteps"])
    x, x0, eps, sigma = (np.array(last.trace[key]) for key in ("x", "x0", "eps", "sigma"))
    # x = x0 + sigma * eps: no side of a triangle is longer than the two others
    assert (x <= x0 + sigma * eps + 1e-3).all() and (sigma * eps <= x + x0 + 1e-3).all()
    assert abs(x[0] / sigma[0] - 1) <= 0.2  # noise at first
    alone = (await run(service, replace(asked, count=1)))[-1]
    assert isinstance(alone, Finished)
    assert np.abs(np.array(alone.trace["x"]) / x - 1).max() <= 1e-3  # of the first image


@pytest.mark.parametrize(
    ("scheduler", "steps"),
    [("Euler", [1, 2, 3]), ("Heun", [1, 1, 2, 2, 3]), ("PNDM", [1, 1, 2, 3])],
)
def test_steps_are_those_asked_for(scheduler: str, steps: list[int], models: Path) -> None:
    asked = replace(FILM, scheduler=scheduler, steps=3)
    events = told(models, asked, {})
    seen = [(e.step, e.total, e.call, e.calls) for e in events if isinstance(e, Step)]
    assert seen == [(step, 3, call, len(steps)) for call, step in enumerate(steps, 1)]
    assert [event.step for event in events if isinstance(event, Frame)] == [1, 2, 3]
    second = steps.index(2)  # calls of the first step
    (change,) = (e for e in told(models, asked, {1: {"steps": 9}}) if isinstance(e, Changed))
    assert (change.step, change.call) == (2, second)


def test_a_film_goes_on_where_steps_come_or_go(models: Path) -> None:
    for steps, total in ((30, 30), (12, 30), (30, 6), (3, 20)):
        events = told(models, replace(FILM, steps=steps), {2: {"steps": total}})
        frames = [event for event in events if isinstance(event, Frame)]
        assert [frame.index for frame in frames] == list(range(len(frames)))
        assert frames[-1].total == len(frames) <= 16
        ends = [event.step for event in events if isinstance(event, Step)]
        assert frames[-1].step == ends[-1] == total
        taken = [event for event in events if isinstance(event, Changed)]
        assert len(taken) == (steps != total)


async def test_a_schedule_is_told_while_the_device_is_busy(service: Service) -> None:
    job = service.submit(request(steps=500), "ann")
    await wait_for(service, job, Step)
    before = await service.query("figures")
    answer = await service.query(
        "schedule", model="tiny", scheduler="DPM++ 2M", schedule_type="Karras", steps=9
    )
    assert (await service.query("figures"))["loads"] == before["loads"]
    service.cancel(job, "ann")
    assert answer["class"] == "DPMSolverMultistepScheduler"
    assert answer["config"]["use_karras_sigmas"] is True
    assert len(answer["timesteps"]) == answer["calls"] == len(answer["sigmas"]) - 1 == 9
    assert answer["sigmas"] == sorted(answer["sigmas"], reverse=True)
    json.dumps(answer)


@pytest.mark.parametrize("scheduler", ["", *SAMPLERS])
async def test_every_schedule_is_told(service: Service, scheduler: str) -> None:
    answer = await service.query("schedule", model="tiny", scheduler=scheduler, steps=5)
    assert answer["calls"] == len(answer["timesteps"]) == len(answer["sigmas"]) - 1
    assert answer["class"] == "DDIMScheduler" or scheduler


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scheduler": "Eulr"}, "Nearest: Euler"),
        ({"scheduler": "Flow Euler"}, "is for flow models"),
        ({"schedule_type": "Caras"}, "Nearest: Karras"),
        ({"steps": 1001}, "steps is 1001"),
        ({"model": "none"}, "not in the models folder"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_question_without_an_answer(
    service: Service, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(EngineError, match=words):
        await service.query("schedule", **{"model": "tiny", "steps": 5, **arguments})
    await service.query("schedule", model="tiny", steps=5)


async def test_a_model_is_told_by_its_headers(service: Service, models: Path) -> None:
    told = await service.query("model", model="tiny")
    assert told["pipeline"] == "StableDiffusionPipeline"
    parts = {part["name"]: part for part in told["components"]}
    assert set(parts) == {"scheduler", "text_encoder", "tokenizer", "unet", "vae"}
    unet = diffusers_unet(models / "tiny")
    assert parts["unet"]["class"] == "UNet2DConditionModel"
    assert parts["unet"]["parameters"] == unet.num_parameters()
    assert parts["unet"]["config"]["sample_size"] == 16
    assert parts["scheduler"]["parameters"] is None
    assert parts["scheduler"]["config"]["beta_end"] == 0.012
    json.dumps(told)


def diffusers_unet(folder: Path) -> Any:
    import diffusers

    return diffusers.UNet2DConditionModel.from_pretrained(folder / "unet")


async def test_a_damaged_part_is_told_as_far_as_it_can_be(
    service: Service, models: Path, tiny_ddpm_checkpoint: Path
) -> None:
    folder = models / "damaged"
    folder.mkdir()
    for file in tiny_ddpm_checkpoint.iterdir():
        (folder / file.name).write_bytes(file.read_bytes()[:-9])
    (folder / "model_index.json").write_bytes(
        (tiny_ddpm_checkpoint / "model_index.json").read_bytes()
    )
    (unet,) = (
        part
        for part in (await service.query("model", model="damaged"))["components"]
        if part["name"] == "unet"
    )
    assert (unet["class"], unet["parameters"], unet["config"]) == ("UNet2DModel", None, None)


async def test_combined_names_draw_what_the_two_settings_draw(service: Service) -> None:
    combined, apart = await asyncio.gather(
        pictures(service, request(scheduler="DPM++ 2M Karras")),
        pictures(service, request(scheduler="DPM++ 2M", schedule_type="Karras")),
    )
    assert (combined[0] == apart[0]).all()
