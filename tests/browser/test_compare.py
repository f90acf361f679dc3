"""What a person does in the tab "Compare", on a small random checkpoint."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from tests.browser.studio import Server, Studio
from tests.damage import DAMAGES

LONG = "2, 900, 950, 1000"
"""Steps of a row that is soon there, and of others that outlast a reload on a busy machine."""


@pytest.fixture
def task() -> str:
    return "compare"


def fill(studio: Studio, samplers: list[str], steps: str) -> None:
    """What to compare: samplers across, steps down."""
    studio.prompt.fill("a")
    studio.button("Clear").first.click()
    for sampler in samplers:
        studio.choose("Values across", sampler)
    studio.page.keyboard.press("Escape")
    studio.tab.get_by_role("textbox", name="Values down").fill(steps)


def cells(studio: Studio, phase: str) -> Locator:
    return studio.tab.locator(f"td[data-phase={phase}]")


def pixels(studio: Studio, cell: int) -> np.ndarray:
    """The picture of a finished cell, as it is served."""
    shown = studio.tab.locator(f"td[data-phase=done][data-cell='{cell}'] img")
    address = shown.evaluate("img => img.src")
    with Image.open(io.BytesIO(studio.page.request.get(address).body())) as image:
        return np.asarray(image.convert("RGB")).astype(float)


def expect_differences(studio: Studio, pictures: list[np.ndarray], reference: int) -> None:
    """The button of each cell comes to say how far it is from the reference."""
    errors = [float(((picture - pictures[reference]) ** 2).mean()) for picture in pictures]
    words = [f"{10 * np.log10(255**2 / e):.1f} dB" if e else "identical" for e in errors]
    words[reference] = "reference"
    expect(studio.tab.locator(".refer")).to_have_text(words)


def test_three_by_three_cells_with_cost_and_difference(studio: Studio, server: Server) -> None:
    samplers = ["Euler", "DDIM", "DPM++ 2M"]
    fill(studio, samplers, "2-4")
    studio.start()
    assert "9 of 9 cells" in studio.end("done").inner_text()
    expect(cells(studio, "done")).to_have_count(9)
    table = studio.tab.locator(".matrix table")
    assert table.get_by_role("columnheader").all_inner_texts() == samplers
    assert table.get_by_role("rowheader").all_inner_texts() == ["2 steps", "3 steps", "4 steps"]
    costs = table.locator(".cost").all_inner_texts()
    calls = [int(re.fullmatch(r"(\d+) calls · [\d.]+ s", cost)[1]) for cost in costs]  # type: ignore[index]
    assert calls == [2, 2, 2, 3, 3, 3, 4, 4, 4]
    expect(studio.tab.locator(".facts")).to_contain_text("9 pictures · 27 calls of the model")
    controls = studio.controls()
    assert len(controls) > 15
    assert [role for role, name in controls if not name.strip()] == []

    pictures = [pixels(studio, cell) for cell in range(9)]
    assert pictures[0].shape == (64, 64, 3)
    expect_differences(studio, pictures, 0)
    studio.tab.locator("[data-refer='4']").click()
    expect(studio.tab.locator("[data-refer='4']")).to_have_attribute("aria-pressed", "true")
    expect_differences(studio, pictures, 4)

    with studio.page.expect_download() as download:
        studio.button("Save as PNG").click()
    (kept,) = server.outputs.rglob("grid-*.png")
    assert download.value.path().read_bytes() == kept.read_bytes()
    with Image.open(kept) as sheet:
        assert sheet.width > 3 * 256 and sheet.height > 3 * 256
        record = json.loads(sheet.info["stepwise"])["comparison"]
    assert record["base"]["prompt"] == "a"
    assert [line["values"] for line in record["lines"]] == [samplers, [2, 3, 4]]

    studio.reload()
    expect(studio.tab.locator("[data-refer='4']")).to_have_attribute("aria-pressed", "true")
    expect_differences(studio, pictures, 4)
    expect(table.locator(".cost")).to_have_text(costs)


def test_a_cell_is_made_again_in_the_other_tab(studio: Studio) -> None:
    fill(studio, ["Euler", "DDIM"], "2, 5")
    studio.tab.get_by_label("Seed", exact=True).fill("77")
    studio.fill(Guidance=30)
    studio.start()
    studio.end("done")
    picture = pixels(studio, 2)
    studio.tab.locator("[data-use='2']").focus()
    studio.page.keyboard.press("Enter")
    studio.open("text-to-image")
    expect(studio.prompt).to_have_value("a")
    expect(studio.tab.get_by_label("number input for Steps")).to_have_value("5")
    expect(studio.tab.get_by_label("Seed", exact=True)).to_have_value("77")
    guidance = studio.tab.get_by_label("number input for Guidance")
    guidance.focus()
    guidance.blur()
    expect(guidance).to_have_value("30")  # a control cuts what lies beyond its ends when it is left
    expect(studio.tab.get_by_role("combobox", name="Sampler")).to_have_value("Euler")
    expect(studio.tab.get_by_label("New seed for every run")).not_to_be_checked()
    studio.start()
    studio.end("done")
    address = studio.tab.locator(".picture img").evaluate("img => img.src")
    with Image.open(io.BytesIO(studio.page.request.get(address).body())) as again:
        assert (np.asarray(again.convert("RGB")) == picture).all()


def test_a_grid_goes_on_through_a_reload_and_ends_on_request(studio: Studio) -> None:
    # minutes of it, however slow the page is beside the worker; a stop ends them
    fill(studio, ["Euler", "DDIM", "DPM++ 2M", "UniPC", "LMS"], LONG)
    studio.start()
    drawing = cells(studio, "drawing").locator("img")
    expect(drawing).to_have_attribute("src", re.compile("^data:image/jpeg"))
    second = studio.tab.locator("[data-refer='1']")
    second.click()
    expect(second).to_have_attribute("aria-pressed", "true")
    studio.reload()
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(drawing).to_be_visible()
    studio.button("Stop").click()
    line = studio.end("stopped")
    done = int(line.get_attribute("data-done") or 0)
    assert 2 <= done < 20 and f"{done} of 20 cells" in line.inner_text()
    expect(cells(studio, "done")).to_have_count(done)
    expect(cells(studio, "stopped")).to_have_count(20 - done)
    studio.reload()
    expect(cells(studio, "done")).to_have_count(done)
    expect(cells(studio, "stopped")).to_have_count(20 - done)


def test_wrong_values_are_named_and_the_grid_stays(studio: Studio) -> None:
    studio.choose("Down", "None")
    studio.choose("Across", "Guidance")
    values = studio.tab.get_by_role("textbox", name="Values across")
    expect(values).to_have_value("2, 5, 8")  # what the axis begins with
    values.fill("1, 3")
    studio.prompt.fill("a")
    studio.tab.get_by_label("number input for Steps").fill("1")
    studio.start()
    studio.end("done")
    for wrong, words in (("1, x", "Guidance has 'x'"), ("60", "from 0 to 50"), ("", "no values")):
        values.fill(wrong)
        studio.start()
        assert words in studio.end("failed").inner_text()
    expect(cells(studio, "done")).to_have_count(2)


def test_a_cell_that_fails_says_why(studio: Studio) -> None:
    studio.choose("Model", "LFS pointer")
    fill(studio, ["Euler", "DDIM"], "2")
    studio.start()
    assert "0 of 2 cells" in studio.end("done").inner_text()
    expect(cells(studio, "failed")).to_have_count(2)
    for problem in studio.tab.locator(".problem").all_inner_texts():
        assert all(word in problem for word in DAMAGES["LFS pointer"][1]), problem


def test_a_phone_scrolls_the_grid_alone(chromium: Browser, server: Server, task: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    studio = Studio(context.new_page(), server.url, task)
    fill(studio, ["Euler", "DDIM", "DPM++ 2M"], "1")
    studio.start()
    studio.end("done")
    assert studio.page.evaluate("document.documentElement.scrollWidth") <= 390
    region = studio.tab.get_by_role("region", name="Grid of pictures")
    wide, narrow = region.evaluate("r => [r.scrollWidth, r.clientWidth]")
    assert wide > narrow
    context.close()
