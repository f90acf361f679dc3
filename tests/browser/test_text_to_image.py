"""What a person does in the tab, on a small random checkpoint."""

import os
import re
import signal

import pytest
from gradio_client.exceptions import AppError  # type: ignore[import-untyped]
from PIL import Image, ImageSequence
from playwright.sync_api import expect

from tests.api import client
from tests.browser.studio import LONG, Server, Studio
from tests.damage import DAMAGES, SPOILT

RECORD = """() => {
  window.frames_ = [];
  const look = () => {
    const img = document.querySelector('.picture img');
    const line = document.querySelector('.status .line');
    if (img && line && img.src.startsWith('data:') && window.frames_.at(-1)?.[1] !== img.src)
      window.frames_.push([+line.dataset.step, img.src]);
  };
  new MutationObserver(look).observe(document.body,
    {subtree: true, childList: true, attributes: true, attributeFilter: ['src']});
}"""


def test_a_prompt_becomes_a_picture_that_can_be_taken_home(studio: Studio, server: Server) -> None:
    expect(studio.prompt).to_be_focused()
    assert studio.page.title() == "Stepwise"
    studio.fill("a <b>ball</b>", Steps=3)
    studio.prompt.press("Control+Enter")
    assert "3 steps" in studio.end("done").inner_text()
    picture = studio.page.locator(".picture img")
    expect(picture).to_have_attribute("alt", "a <b>ball</b>")
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 64
    expect(studio.page.locator(".shelf img")).to_have_count(1)

    with studio.page.expect_download() as download:
        studio.page.get_by_role("link", name="Download PNG").click()
    name = download.value.suggested_filename.removeprefix("stepwise-")
    (saved,) = server.outputs.rglob(name)
    assert name.endswith(".png")
    with open(f"/proc/{server.process.pid}/maps") as maps:
        assert "libtorch" not in maps.read()
    assert download.value.path().read_bytes() == saved.read_bytes()
    with Image.open(saved) as image:
        assert "a <b>ball</b>" in image.info["stepwise"]


def test_pictures_are_served_to_those_who_hold_their_address(
    studio: Studio, server: Server
) -> None:
    studio.run(Steps=1)
    address = studio.page.locator(".picture img").evaluate("img => img.src")
    signature = re.search(r"pictures/([0-9a-f]{32})/", address)
    assert signature
    fetch = studio.page.request.get
    assert fetch(address).status == 200
    assert fetch(address.replace(signature[1], "0" * 32)).status == 404
    (path, *_) = server.outputs.rglob("*.png")
    assert fetch(f"{server.url}gradio_api/file={path}").status == 403


def test_the_picture_forms_before_ones_eyes(studio: Studio) -> None:
    """Two pictures at least before a quarter of the run is done."""
    studio.page.evaluate(RECORD)
    studio.fill(**LONG)
    studio.start()
    studio.page.wait_for_function("new Set(window.frames_.map(([, source]) => source)).size >= 2")
    steps = [step for step, _ in studio.page.evaluate("window.frames_")]
    assert steps[1] <= LONG["Steps"] / 4, steps
    studio.button("Stop").click()
    studio.end("stopped")


def test_a_slider_walks_through_the_film_and_the_film_can_be_kept(
    studio: Studio, server: Server
) -> None:
    def walk(key: str, label: str, shown: str = "") -> str:
        """The address of the picture once the slider is at this step."""
        studio.slider.press(key)
        expect(studio.slider).to_have_accessible_name(re.compile(f"{label}$"))
        expect(picture).to_have_attribute("alt", shown or label)
        return picture.get_attribute("src") or ""

    picture = studio.tab.locator(".picture img")
    expect(studio.slider).to_be_hidden()
    studio.run("a ball", Steps=20, Pictures=2, **{"At once": 2})
    expect(studio.slider).to_have_accessible_name(re.compile("Step 20 of 20$"))
    finished = picture.get_attribute("src")
    first = walk("Home", "Step 1 of 20")
    second = walk("ArrowRight", "Step 2 of 20")
    assert len({finished, first, second}) == 3
    assert first == studio.film.locator("img").first.get_attribute("src")
    assert walk("End", "Step 20 of 20", "a ball") == finished

    files = sorted(server.outputs.rglob("*"))
    with studio.page.expect_download() as download:
        studio.button("Save as WebP").click()
    assert download.value.suggested_filename.endswith(".webp")
    with Image.open(download.value.path()) as film:
        assert (film.format, film.size) == ("WEBP", (128, 64))
        assert len(list(ImageSequence.Iterator(film))) == 17
    assert sorted(server.outputs.rglob("*")) == files

    studio.reload()
    expect(studio.slider).to_have_accessible_name(re.compile("Step 20 of 20$"))
    assert walk("Home", "Step 1 of 20") == first


def test_the_slider_is_of_the_latest_run(studio: Studio) -> None:
    studio.run(Steps=2)
    studio.run(Steps=3, Pictures=2)
    expect(studio.tab.locator(".shelf img")).to_have_count(3)
    studio.button("Thumbnail 3").click()
    expect(studio.slider).to_be_hidden()
    studio.button("Thumbnail 2").click()
    expect(studio.slider).to_have_accessible_name(re.compile("Step 3 of 3$"))
    studio.fill(**LONG)
    studio.start()
    studio.wait_for_step(1)
    expect(studio.slider).to_be_hidden()
    studio.button("Stop").click()
    studio.end("stopped")
    expect(studio.slider).to_be_hidden()


def test_a_killed_worker_is_told_and_replaced(studio: Studio, server: Server) -> None:
    studio.fill(**LONG)
    studio.start()
    studio.wait_for_step(1)
    os.kill(server.worker, signal.SIGKILL)
    assert "stopped unexpectedly" in studio.wait("failed").inner_text()
    expect(studio.page.locator(".chip")).to_have_attribute("data-state", "ready")
    assert "2 steps" in studio.run(Steps=2, Pictures=1)


def test_a_wrong_field_is_named(studio: Studio) -> None:
    rows: list[tuple[str, dict[str, object], str]] = [
        ("", {}, "prompt is empty"),
        ("a", {"Steps": 0}, "steps is 0"),
        ("a", {"Steps": ""}, "steps is empty"),
        ("a", {"Steps": 1, "Width": 60}, "width is 60, which is not a multiple of 8"),
    ]
    for prompt, numbers, message in rows:
        assert message in studio.run(prompt, **numbers)
    assert "1 step " in studio.run(Width=64)


def test_a_broken_model_is_named(studio: Studio) -> None:
    studio.fill(Steps=1)
    for model in SPOILT:
        studio.choose("Model", model)
        line = studio.run()
        assert "That did not work" in line
        assert all(word in line for word in DAMAGES[model][1]), line
        studio.choose("Model", "a-good-one")
        assert "1 step " in studio.run()


def test_the_http_api_takes_names(server: Server) -> None:
    api = client(server.url)
    draw = {"prompt": "a", "model": "a-good-one", "steps": 1, "api_name": "/text_to_image"}
    pictures = api.predict(**draw, seed=7, count=2)
    assert [picture["seed"] for picture in pictures] == [7, 8]
    with pytest.raises(AppError, match="width is 60, which is not a multiple of 8"):
        api.predict(**draw, width=60)
    with pytest.raises(AppError, match="LFS"):
        api.predict(**(draw | {"model": "LFS pointer"}))
