"""What a person does in the tabs that begin with a picture, on a small random checkpoint."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.studio import Server, Studio
from tests.pipelines.parity import blob, painting
from ui.tabs import TABS
from ui.tabs.picture_tab import PictureTab

PICTURE_TABS = [tab for tab in TABS if issubclass(tab, PictureTab)]


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def made(server: Server) -> tuple[Path, dict[str, Any]]:
    """The newest picture, and the request that its file says it came of."""
    path = max(server.outputs.rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    with Image.open(path) as image:
        return path, json.loads(image.info["stepwise"])["request"]


def given(server: Server, name: str) -> bytes:
    path, *_ = server.outputs.rglob(f"inputs/{name}")  # each owner has their own
    return path.read_bytes()


def mask_of(server: Server) -> np.ndarray:
    """The mask of the newest picture, true where it was painted anew."""
    _, request = made(server)
    with Image.open(io.BytesIO(given(server, request["mask"]))) as mask:
        return np.asarray(mask) > 0


@pytest.mark.parametrize("task", ["image-to-image"])
def test_an_upload_is_changed_and_the_result_goes_on(studio: Studio, server: Server) -> None:
    data = png(painting(90, 70))
    studio.give("image", data)
    assert "2 steps" in studio.run("a", Steps=4, Strength=0.5)
    expect(studio.tab.locator(".hint p").last).to_contain_text("Of 4 steps, 2 are made.")
    path, request = made(server)
    assert request["image"] == hashlib.sha256(data).hexdigest()
    assert given(server, request["image"]) == data

    studio.tab.get_by_label("Before / after").check()
    sides = studio.tab.locator(".curtain img")
    expect(sides).to_have_count(2)
    widths = sides.evaluate_all(
        "all => Promise.all(all.map(i => i.decode().then(() => i.naturalWidth)))"
    )
    assert widths == [64, 64]
    studio.start()  # what forms is seen, not what was compared
    studio.end("done")
    expect(studio.tab.get_by_label("Before / after")).not_to_be_checked()
    expect(studio.tab.locator(".picture img")).to_be_visible()
    path, _ = made(server)

    studio.button("Inpaint").click()
    studio.at("inpaint")
    expect(studio.prompt).to_have_value("a")
    studio.paint((0.3, 0.3), (0.6, 0.6), (64, 64))
    assert "3 steps" in studio.run(Steps=3)
    _, request = made(server)
    assert given(server, request["image"]) == path.read_bytes()
    studio.button("Image to image").click()
    studio.at("image-to-image")
    assert "4 steps" in studio.run(Steps=4, Strength=1)


@pytest.mark.parametrize("task", ["inpaint"])
def test_a_mask_is_painted_erased_and_survives_a_look_at_another_tab(
    studio: Studio, server: Server
) -> None:
    picture = painting(128, 128)
    studio.give("image", png(picture))
    studio.paint((0.2, 0.5), (0.8, 0.5), picture.size)
    studio.button("Erase").click()
    studio.paint((0.5, 0.3), (0.5, 0.7), picture.size)
    studio.open("text-to-image")
    studio.open("inpaint")
    assert "2 steps" in studio.run(Steps=2)
    mask = mask_of(server)
    assert mask.shape == (128, 128)
    assert mask[64, 30] and mask[64, 98] and not mask[64, 64] and not mask[20, 20]
    path, _ = made(server)
    with Image.open(path) as image:
        result = np.asarray(image)
    assert (result[:30] == np.asarray(picture)[:30]).all()
    assert (result[60:68, 28:36] != np.asarray(picture)[60:68, 28:36]).any()

    studio.button("Clear mask").click()
    assert "mark what is to be repainted" in studio.run()
    studio.paint((0.5, 0.5), (0.5, 0.6), picture.size)
    studio.tab.get_by_label("Invert mask").check()
    studio.run(Steps=2)
    assert not mask_of(server)[20, 20]
    assert made(server)[1]["invert_mask"] is True


@pytest.mark.parametrize("task", ["inpaint"])
def test_a_mask_is_uploaded_in_place_of_the_canvas(studio: Studio, server: Server) -> None:
    mask = png(blob((10, 10, 50, 40), 90, 70))
    studio.give("image", png(painting(90, 70)))
    studio.button("Upload a mask").click()
    studio.give("mask", mask)
    assert "2 steps" in studio.run(Steps=2)
    assert given(server, made(server)[1]["mask"]) == mask
    studio.reload()
    studio.tab.locator("canvas").first.wait_for()
    studio.fill(Steps=2)
    assert "2 steps" in studio.run()
    studio.button("Upload a mask").click()
    studio.remove("mask")
    studio.give("mask", png(blob((0, 0, 5, 5), 9, 9)))
    assert "they must be of one size" in studio.run()

    studio.open("image-to-image")  # a picture that is sent comes without the mask of another
    studio.begin()
    studio.run(Steps=2)
    studio.button("Inpaint").click()
    studio.at("inpaint")
    expect(studio.tab.locator(".given img")).to_have_count(0)
    assert "mark what is to be repainted" in studio.run()


@pytest.mark.parametrize("task", ["depth-to-image"])
def test_the_depth_is_shown_before_a_run_and_may_be_ones_own(
    studio: Studio, server: Server
) -> None:
    seen, note = studio.tab.locator(".depth img"), studio.tab.locator(".depth-note p")
    studio.give("image", png(painting(90, 70)))
    expect(note).to_contain_text("as the model sees it")
    estimate = seen.get_attribute("src")
    assert "2 steps" in studio.run("a", Steps=2)
    assert made(server)[1]["depth_map"] == ""

    ramp = np.linspace(0, 65535, 90 * 70).reshape(70, 90).astype(np.uint16)
    data = png(Image.fromarray(ramp))
    studio.button("Upload a depth map").click()
    studio.give("depth_map", data)
    expect(note).to_contain_text("The depth map that you gave")
    expect(seen).not_to_have_attribute("src", estimate or "")
    upright = seen.get_attribute("src")
    studio.tab.get_by_label("Invert it: black is near").check()
    expect(seen).not_to_have_attribute("src", upright or "")
    assert "2 steps" in studio.run()
    _, request = made(server)
    assert given(server, request["depth_map"]) == data and request["invert_depth"] is True
    flat = png(Image.new("L", (90, 70), 128))
    studio.give("depth_map", flat)
    expect(note).to_contain_text("the same everywhere")
    assert "the same everywhere" in studio.run()
    studio.remove("depth_map")
    expect(note).to_contain_text("as the model sees it")


@pytest.mark.parametrize("task", ["image-to-image"])
def test_what_is_no_picture_is_told_and_nothing_is_lost(studio: Studio, server: Server) -> None:
    assert "image is missing: choose a picture" in studio.run("a")
    frames = [Image.new("L", (16, 16), shade) for shade in (0, 255)]
    animated = io.BytesIO()
    frames[0].save(animated, "WEBP", save_all=True, append_images=frames[1:])
    for data, words in ((b"a text", "is no PNG"), (animated.getvalue(), "is animated")):
        studio.give("image", data, taken=False)
        expect(studio.page.locator(".toast-body").last).to_contain_text(words)
        expect(studio.tab.locator(".given img")).to_have_count(0)
    studio.give("image", png(painting(1, 1)))
    assert "image is 1 x 1 pixels" in studio.run()
    studio.remove("image")
    studio.give("image", png(painting(40, 40)))
    studio.reload()
    studio.tab.locator(".given img").wait_for()
    assert "1 step" in studio.run(Steps=2, Strength=0.5)


@pytest.mark.parametrize("task", [tab.task for tab in PICTURE_TABS])
def test_the_examples_run(studio: Studio, server: Server) -> None:
    (tries,) = [tab.tries for tab in PICTURE_TABS if tab.task == studio.task]
    assert len(tries) >= 3
    for number, example in enumerate(tries):
        studio.tab.locator(".tries button").nth(number).click()
        expect(studio.prompt).to_have_value(example.prompt)
        assert "2 steps" in studio.run(example.prompt, Steps=2, Strength=1)
        _, request = made(server)
        for field, name in example.pictures.items():
            assert given(server, request[field]) == example.path(field).read_bytes(), name
