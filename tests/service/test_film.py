"""The film of a run, and unconditional runs behind the service."""

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
from engine.service.frames import grid
from engine.service.metadata import CHUNK
from tests.samplers import SAMPLERS
from tests.service.pictures import pictures, pixels, run, saved, serving
from tests.service.stub import request, watch

ASKED = Request("tiny-ddpm", task="unconditional", steps=12, seed=3)


@pytest.fixture(scope="module")
def service(
    tiny_checkpoint: Path, tiny_ddpm_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    models = tmp_path_factory.mktemp("both")
    for checkpoint in (tiny_checkpoint, tiny_ddpm_checkpoint):
        (models / checkpoint.name).symlink_to(checkpoint)
    with serving(models, tmp_path_factory.mktemp("outputs")) as made:
        yield made


def opened(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg))


def film(events: list[Any]) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


@pytest.mark.parametrize(("count", "size"), [(1, (16, 16)), (6, (48, 32))])
async def test_the_film_goes_from_noise_to_the_pictures(
    service: Service, count: int, size: tuple[int, int]
) -> None:
    events = await run(service, replace(ASKED, steps=18, count=count, batch_size=count))
    frames = film(events)
    assert [(frame.index, frame.total) for frame in frames] == [(i, 16) for i in range(16)]
    assert [frame.step for frame in frames] == [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        10,
        11,
        12,
        13,
        14,
        15,
        16,
        18,
    ]
    shown = [opened(frame.preview) for frame in frames]
    assert {(image.format, image.size) for image in shown} == {("JPEG", size)}
    finished = np.asarray(grid([Image.open(path) for path in saved(events)])).astype(int)
    errors = [abs(np.asarray(image).astype(int) - finished).mean() for image in shown]
    assert errors[-1] < 12  # of JPEG
    assert errors[0] > 4 * errors[-1]


async def test_a_film_of_latents_shows_what_the_model_believes(service: Service) -> None:
    events = await run(service, request(steps=16, count=2, batch_size=2))
    frames = film(events)
    assert [frame.step for frame in frames] == [*range(1, 17)]
    previews = {e.step: e.preview for e in events if isinstance(e, Step) and e.preview}
    sizes = {opened(data).size for data in (*previews.values(), *(f.preview for f in frames))}
    assert len(sizes) == 1
    both = [(f.preview, previews[f.step]) for f in frames if f.step in previews]
    assert both and all(frame == preview for frame, preview in both)


async def test_one_who_comes_late_sees_the_whole_film(service: Service) -> None:
    job = service.submit(replace(ASKED, steps=40), "ann")
    first = film(await watch(service, job))
    assert film(await watch(service, job)) == first
    assert len(first) == 16


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
    asked = replace(ASKED, seed=7, count=2, batch_size=2, scheduler=scheduler)
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
