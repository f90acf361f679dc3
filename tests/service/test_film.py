"""An unconditional run behind the service, and its film."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.pipelines.request import Request
from engine.service import Service
from engine.service.events import Failed, Finished, Frame, Step
from engine.service.metadata import CHUNK
from tests.samplers import SAMPLERS
from tests.service.pictures import pictures, pixels, run, saved, serving
from tests.service.stub import watch

ASKED = Request("tiny-ddpm", task="unconditional", steps=12, seed=3)


@pytest.fixture(scope="module")
def service(
    tiny_ddpm_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    models = tiny_ddpm_checkpoint.parent
    with serving(models, tmp_path_factory.mktemp("outputs")) as made:
        yield made


def opened(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg))


def film(events: list[Any]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (6, 4)])
async def test_the_film_goes_from_noise_to_the_pictures(
    service: Service, count: int, shown: int
) -> None:
    events = await run(service, replace(ASKED, count=count))
    frames = film(events)
    assert [(frame.index, frame.total) for frame in frames] == [(i, 10) for i in range(10)]
    assert [frame.step for frame in frames] == [1, 2, 3, 4, 5, 7, 8, 9, 10, 12]
    columns = [opened(frame.preview) for frame in frames]
    assert {(column.format, column.size) for column in columns} == {("JPEG", (16, 16 * shown))}
    finished = np.concatenate([pixels(path) for path in saved(events)[:shown]])
    errors = [abs(np.asarray(column).astype(int) - finished).mean() for column in columns]
    assert errors[-1] < 12  # of JPEG
    assert errors[0] > 4 * errors[-1]


async def test_one_who_comes_late_sees_the_whole_film(service: Service) -> None:
    job = service.submit(replace(ASKED, steps=40), "ann")
    first = film(await watch(service, job))
    assert film(await watch(service, job)) == first
    assert len(first) == 10


async def test_the_film_counts_as_cost_of_previews_and_no_previews_mean_no_film(
    service: Service,
) -> None:
    events = await run(service, replace(ASKED, steps=2))
    last = events[-1]
    assert isinstance(last, Finished)
    assert [frame.step for frame in film(events)] == [1, 2]
    shown = [event for event in events if isinstance(event, Step) and event.preview]
    assert opened(shown[0].preview or b"").size == (16, 16)
    assert last.figures["preview_seconds"] > 0
    silent = await run(service, replace(ASKED, steps=2), previews=False)
    assert film(silent) == []
    assert (pixels(saved(silent)[0]) == pixels(saved(events)[0])).all()


@pytest.mark.parametrize("scheduler", ["", *SAMPLERS])
async def test_a_png_makes_itself_again(service: Service, scheduler: str) -> None:
    asked = replace(ASKED, seed=7, count=2, scheduler=scheduler)
    path = saved(await run(service, asked))[1]
    record: dict[str, Any] = json.loads(Image.open(path).info[CHUNK])
    assert not record["request"].keys() & {"prompt", "negative_prompt", "guidance_scale"}
    alone = Request.from_dict(record["request"])
    assert (alone.task, alone.width, alone.height, alone.seed) == ("unconditional", 16, 16, 8)
    again = (await pictures(service, alone))[0]
    assert abs(again - pixels(path)).max() <= 1  # sums over a batch may round differently


async def test_a_request_that_the_model_cannot_do(service: Service) -> None:
    events = await watch(service, service.submit(replace(ASKED, width=32), "ann"))
    assert isinstance(events[-1], Failed)
    assert "width is 32: this model draws pictures of 16 x 16" in events[-1].message
