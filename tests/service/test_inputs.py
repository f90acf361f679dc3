"""Runs that begin with a picture, behind the service."""

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import EngineError, PictureError, RequestError
from engine.pictures import depth_picture
from engine.pipelines import StableDiffusionDepth2ImgPipeline
from engine.pipelines.request import Request
from engine.service import Service
from engine.service.events import Failed, Finished, Started, Step
from engine.service.metadata import CHUNK
from tests.conftest import make_checkpoint
from tests.pipelines.parity import blob, painting
from tests.service.pictures import pictures, pixels, run, saved, serving
from tests.service.stub import watch

ASKED = Request("tiny", "a", task="image-to-image", steps=10, strength=0.5, seed=3)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, channels in {"tiny": 4, "tiny-inpaint": 9, "tiny-depth": 5}.items():
        make_checkpoint(folder / name, channels=channels)
    return folder


@pytest.fixture(scope="module")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(models, tmp_path_factory.mktemp("outputs")) as made:
        yield made


def file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def asked(service: Service) -> dict[str, Request]:
    """A request of each task that begins with a picture."""
    image = service.take(file(painting(90, 70)), "ann")
    mask = service.take(file(blob((20, 10, 60, 50), 90, 70)), "ann")
    ramp = np.linspace(0, 65535, 90 * 70).reshape(70, 90).astype(np.uint16)
    depth = service.take(file(Image.fromarray(ramp)), "ann")
    first = replace(ASKED, image=image)
    inpaint = replace(first, task="inpaint", mask=mask, strength=1.0)
    return {
        "image-to-image": first,
        "inpaint": inpaint,
        "inpaint, the marked part": replace(inpaint, padding=8, strength=0.7, mask_blur=0),
        "inpaint, 9 channels": replace(inpaint, model="tiny-inpaint", invert_mask=True),
        "depth": replace(first, model="tiny-depth", task="depth-to-image"),
        "own depth": replace(
            first, model="tiny-depth", task="depth-to-image", depth_map=depth, invert_depth=True
        ),
    }


CASES = (
    *("image-to-image", "inpaint", "inpaint, the marked part", "inpaint, 9 channels"),
    *("depth", "own depth"),
)


@pytest.mark.parametrize("case", CASES)
async def test_a_run_says_its_steps_and_its_png_makes_it_again(
    service: Service, asked: dict[str, Request], case: str
) -> None:
    request = replace(asked[case], count=2, batch_size=2)
    events = await run(service, request)
    (started,) = [event for event in events if isinstance(event, Started)]
    steps = [event for event in events if isinstance(event, Step)]
    assert started.total == steps[-1].total == request.executed
    path = saved(events)[1]
    record: dict[str, Any] = json.loads(Image.open(path).info[CHUNK])
    alone = Request.from_dict(record["request"])
    assert (alone.seed, alone.image, alone.width, alone.height) == (4, request.image, 64, 64)
    again = (await pictures(service, alone))[0]
    assert abs(again - pixels(path)).max() <= 1


async def test_the_other_tasks_of_a_model_load_nothing(
    service: Service, asked: dict[str, Request]
) -> None:
    await run(service, Request("tiny", "a", steps=1))
    before = await service.query("figures")
    for case in ("image-to-image", "inpaint"):
        last = (await run(service, asked[case]))[-1]
        assert isinstance(last, Finished) and last.loaded == ()
    after = await service.query("figures")
    assert after == before, "the same objects, and no more bytes"


async def test_the_depth_of_a_picture_is_seen_before_a_run(
    service: Service, models: Path, asked: dict[str, Request]
) -> None:
    path = service.given(asked["depth"].image, "ann")
    answer = await service.query("depth", model="tiny-depth", picture=str(path))
    seen = Image.open(io.BytesIO(base64.b64decode(answer)))
    assert (seen.format, seen.mode, seen.size) == ("JPEG", "RGB", (90, 70))
    pipeline = StableDiffusionDepth2ImgPipeline.from_pretrained(models / "tiny-depth")
    depth = pipeline.estimate(painting(90, 70))[0, 0]
    wanted = depth_picture(depth.numpy()).resize(seen.size)
    assert abs(np.asarray(seen.convert("L")).astype(int) - np.asarray(wanted)).mean() <= 4
    with pytest.raises(EngineError, match="no depth_estimator"):
        await service.query("depth", model="tiny", picture=str(path))


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("inpaint")])
async def test_what_is_not_repainted_is_the_picture_itself(
    service: Service, asked: dict[str, Request], case: str
) -> None:
    request = asked[case]
    made = (await pictures(service, request))[0]
    own = np.asarray(painting(90, 70)).astype(int)
    assert made.shape == own.shape
    blur = 4 * request.mask_blur  # as far as it reaches, and some more
    sign = -1 if request.invert_mask else 1
    inner, outer = (
        np.asarray(blob((20 - far, 10 - far, 60 + far, 50 + far), 90, 70)) > 0
        for far in (min(0, sign * blur), max(0, sign * blur))
    )
    marked, kept = (~outer, inner) if request.invert_mask else (inner, ~outer)
    assert (made != own)[marked].mean() > 0.9
    assert kept.sum() > 50 and (made == own)[kept].all()


async def test_the_way_to_the_size_is_the_persons_to_choose(
    service: Service, asked: dict[str, Request]
) -> None:
    request = replace(asked["image-to-image"], strength=0.1, width=64, height=32)
    made = [
        (await pictures(service, replace(request, fit=fit)))[0]
        for fit in ("crop", "resize", "fill")
    ]
    assert {picture.shape for picture in made} == {(32, 64, 3)}
    assert (made[0] != made[1]).any() and (made[1] != made[2]).any()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_a_picture_is_kept_once_by_what_is_in_it(service: Service, kind: str) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = file(painting(24, 16), kind, exif=turned)
    name = service.take(data, "ann")
    assert service.take(data, "ann") == name
    path = service.given(name, "ann")
    assert path.read_bytes() == data and [*path.parent.glob("*.part")] == []
    await run(service, replace(ASKED, image=name))


def test_a_picture_is_its_owners(service: Service, asked: dict[str, Request]) -> None:
    name = asked["depth"].image
    for stranger, given in (("bob", name), ("ann", "f" * 64), ("ann", f"../inputs/{name}")):
        with pytest.raises(RequestError, match="not here"):
            service.given(given, stranger)
    with pytest.raises(RequestError, match="choose it again"):
        service.submit(asked["depth"], "bob")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a text", "is no PNG, JPEG or WebP"),
        (file(Image.new("CMYK", (9, 9)), "JPEG"), "is in CMYK"),
        (file(Image.new("L", (9, 9)), "GIF"), "is no PNG"),
        (file(painting(90, 90))[:-900], "is damaged"),
    ],
)
def test_what_is_no_picture_is_not_kept(
    service: Service, data: bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(PictureError, match=words):
        service.take(data, "eve")


def test_a_full_disk_is_told(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.service.history.os.fsync", full)
    with pytest.raises(EngineError, match="No space left"):
        service.take(file(painting(10, 10, seed=9)), "ann")


@pytest.mark.parametrize(
    ("case", "change", "words"),
    [
        ("image-to-image", {"image": "dot"}, "image is 1 x 1 pixels: 4 x 4 are the least"),
        ("inpaint", {"mask": "dot"}, "they must be of one size"),
        ("inpaint", {"mask": "empty"}, "mask_image marks nothing"),
        ("own depth", {"depth_map": "empty"}, "the depth is the same everywhere"),
    ],
)
async def test_pictures_that_do_not_do(
    service: Service, asked: dict[str, Request], case: str, change: dict[str, str], words: str
) -> None:
    odd = {"dot": Image.new("L", (1, 1)), "empty": Image.new("L", (90, 70))}
    names = {field: service.take(file(odd[which]), "ann") for field, which in change.items()}
    events = await watch(service, service.submit(replace(asked[case], **names), "ann"))
    assert isinstance(events[-1], Failed) and words in events[-1].message
    await run(service, asked[case])


async def test_a_mask_may_mark_everything(service: Service, asked: dict[str, Request]) -> None:
    mask = service.take(file(Image.new("L", (90, 70), 255)), "ann")
    made = (await pictures(service, replace(asked["inpaint"], mask=mask)))[0]
    assert (made != np.asarray(painting(90, 70))).any(axis=2).mean() > 0.9
