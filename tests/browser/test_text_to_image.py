"""What a person does in the tab, on a small random checkpoint."""

import math
import os
import re
import signal
import time

import pytest
from gradio_client import Client  # type: ignore[import-untyped]
from gradio_client.exceptions import AppError  # type: ignore[import-untyped]
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.browser.studio import Server, Studio
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
    studio.set("Steps", 3)
    studio.prompt.fill("a <b>ball</b>")
    studio.prompt.press("Control+Enter")
    assert "3 steps" in studio.wait("done").inner_text()
    picture = studio.page.locator(".picture img")
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 64
    assert picture.get_attribute("alt") == "a <b>ball</b>"
    expect(studio.page.locator(".shelf img")).to_have_count(1)

    with studio.page.expect_download() as download:
        studio.page.get_by_role("link", name="Download PNG").click()
    (saved,) = server.outputs.rglob("*.png")
    assert download.value.path().read_bytes() == saved.read_bytes()
    assert download.value.suggested_filename.endswith(".png")
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
    studio.page.evaluate(RECORD)
    studio.run(Steps=200)
    frames = studio.page.evaluate("window.frames_")
    early = [source for step, source in frames if step <= 50]
    assert len(set(early)) >= 2, [step for step, _ in frames]


def test_stop_ends_the_run_within_a_step(studio: Studio) -> None:
    studio.prompt.fill("a")
    for label, value in {"Steps": 500, "Pictures": 16, "Width": 128, "Height": 128}.items():
        studio.set(label, value)
    studio.start()
    studio.wait_for_step(2)
    rate = float(re.findall(r"([\d.]+) steps/s", studio.line.inner_text())[0])
    before, began = studio.step, time.monotonic()
    studio.page.get_by_role("button", name="Stop").click()
    expect(studio.page.get_by_role("button", name="Stop")).to_be_disabled()
    told = time.monotonic() - began
    stopped = studio.wait("stopped").get_attribute("data-step")
    # the step that was under way, and those that passed while the click travelled
    assert int(stopped or -1) <= before + 1 + math.ceil(told * rate)
    expect(studio.page.get_by_role("button", name="Generate")).to_be_enabled()
    assert "2 steps" in studio.run(Steps=2, Pictures=1, Width=64, Height=64)


def test_another_scheduler_loads_nothing(studio: Studio) -> None:
    def memory() -> tuple[object, ...]:
        page = studio.page
        rows = page.locator(".hood tr[data-component]")
        rows.first.wait_for()
        ids = rows.evaluate_all("rows => rows.map(r => [r.dataset.component, r.dataset.id])")
        return ids, page.locator("#memory").get_attribute("data-loads")

    studio.page.get_by_role("button", name="Under the hood").click()
    studio.run(Steps=2)
    before = memory()
    address = studio.page.locator(".picture img").get_attribute("src")
    studio.choose("Scheduler", "Euler")
    studio.run()
    studio.page.wait_for_function(
        "src => document.querySelector('.picture img').getAttribute('src') !== src", arg=address
    )
    expect(studio.page.locator("#last-run")).to_have_attribute("data-loaded", "0")
    assert memory() == before


def test_a_killed_worker_is_told_and_replaced(studio: Studio, server: Server) -> None:
    studio.prompt.fill("a")
    studio.set("Steps", 500)
    studio.set("Pictures", 16)
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
    assert "1 steps" in studio.run(Width=64)


def test_a_broken_model_is_named(studio: Studio) -> None:
    studio.set("Steps", 1)
    for model in SPOILT:
        studio.choose("Model", model)
        line = studio.run()
        assert "That did not work" in line
        assert all(word in line for word in DAMAGES[model][1]), line
        studio.choose("Model", "a-good-one")
        assert "1 steps" in studio.run()


def test_a_reloaded_page_finds_its_run(studio: Studio) -> None:
    studio.prompt.fill("a")
    studio.set("Steps", 60)
    studio.set("Pictures", 4)
    studio.start()
    studio.wait_for_step(1)
    studio.page.reload()
    studio.errors.clear()  # Gradio logs that leaving cut its connection
    studio.wait("drawing", "saving", "done")
    assert "60 steps" in studio.wait("done").inner_text()
    expect(studio.page.locator(".shelf img")).to_have_count(4)


def test_seeds_are_new_or_kept(studio: Studio) -> None:
    seed = studio.page.get_by_label("Seed", exact=True)
    fresh = studio.page.get_by_label("New seed for every run")
    studio.run(Steps=1)
    first = seed.input_value()
    studio.run()
    second = seed.input_value()
    assert first != second
    studio.page.get_by_role("button", name="Roll").click()
    expect(fresh).not_to_be_checked()
    assert seed.input_value() not in (first, second)
    studio.page.get_by_role("button", name="Reuse").click()
    expect(seed).to_have_value(second)
    studio.run()
    assert f"Seed {second} " in studio.page.locator(".facts").inner_text()
    studio.page.get_by_role("button", name="Thumbnail 3").click()
    expect(studio.page.locator(".facts")).to_contain_text(f"Seed {first} ")


def test_a_phone_shows_it_in_one_column(chromium: Browser, server: Server) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    studio = Studio(context.new_page(), server.url)
    studio.prompt.fill("a")
    studio.set("Steps", 1)
    studio.page.get_by_role("button", name="Generate").tap()
    studio.wait("done")
    assert studio.page.evaluate("document.documentElement.scrollWidth") <= 390
    generate = studio.page.get_by_role("button", name="Generate").bounding_box()
    picture = studio.page.locator(".picture").bounding_box()
    assert generate and picture
    assert generate["y"] + generate["height"] < picture["y"] < 844
    assert picture["width"] > 300
    context.close()


def test_every_control_has_a_name(studio: Studio) -> None:
    session = studio.page.context.new_cdp_session(studio.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    roles = ["button", "checkbox", "combobox", "link", "slider", "spinbutton", "tab", "textbox"]
    controls = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in roles
    ]
    assert len(controls) > 15
    assert [role for role, name in controls if not name.strip()] == []


def test_the_page_process_has_no_torch(studio: Studio, server: Server) -> None:
    studio.run(Steps=1)
    with open(f"/proc/{server.process.pid}/maps") as maps:
        assert "libtorch" not in maps.read()


def test_the_http_api_takes_names(server: Server) -> None:
    client = Client(server.url, verbose=False)
    draw = {"prompt": "a", "model": "a-good-one", "steps": 1, "api_name": "/text_to_image"}
    pictures = client.predict(**draw, seed=7, count=2)
    assert [picture["seed"] for picture in pictures] == [7, 8]
    with pytest.raises(AppError, match="width is 60, which is not a multiple of 8"):
        client.predict(**draw, width=60)
    with pytest.raises(AppError, match="LFS"):
        client.predict(**(draw | {"model": "LFS pointer"}))
