import io
import json

from PIL import Image

from engine.pipelines.request import Request
from engine.service.metadata import CHUNK, describe, encode_png


def test_a_png_tells_how_to_make_it_again() -> None:
    request = Request(
        "tiny", 'a "cube", 立方体 \u0000', seed=5, count=3, batch_size=3, guidance_scale=2.5
    )
    made = {"scheduler": {"_class_name": "DDIMScheduler"}, "device": "cpu"}
    record = describe(request, index=2, size=(64, 32), made=made)
    png = Image.open(io.BytesIO(encode_png(Image.new("RGB", (64, 32), "red"), record)))
    read = json.loads(png.info[CHUNK])
    assert read["batch"] == {"index": 2, "count": 3, "seed": 5, "variation_seed": 0}
    assert read["device"] == "cpu"
    again = Request.from_dict(read["request"])
    assert (again.seed, again.count, again.width, again.height) == (7, 1, 64, 32)
    assert (again.prompt, again.guidance_scale) == (request.prompt, 2.5)
    assert png.getpixel((0, 0)) == (255, 0, 0)


def test_variations_are_told_apart_by_the_variation_seed() -> None:
    request = Request("tiny", "a", seed=5, count=3, variation_seed=8, variation_strength=0.25)
    again = Request.from_dict(describe(request, index=2, size=(8, 8), made={})["request"])
    assert (again.seed, again.variation_seed, again.variation_strength) == (5, 10, 0.25)


def test_the_record_of_an_unconditional_picture_says_nothing_of_texts() -> None:
    request = Request("tiny-ddpm", seed=5, guidance_scale=7.0, task="unconditional")
    record = describe(request, index=0, size=(16, 16), made={})["request"]
    assert record == {
        "model": "tiny-ddpm",
        "task": "unconditional",
        "scheduler": "",
        "schedule_type": "",
        "changes": [],
        "steps": 25,
        "width": 16,
        "height": 16,
        "seed": 5,
        "count": 1,
        "batch_size": 1,
        "variation_seed": 0,
        "variation_strength": 0.0,
    }
    assert Request.from_dict(record).check().used() == record
