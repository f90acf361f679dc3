"""Settings that change while a run goes on, and the panel that follows them."""

import json
import re
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.studio import LONG, Server, Studio


def news(studio: Studio) -> Locator:
    """The latest change, in the status line."""
    return studio.tab.locator(".status .news[data-changes]")


def record(studio: Studio) -> Locator:
    """The changes of the run, under the hood."""
    return studio.tab.locator(".hood .changes li")


def plotted(studio: Studio, name: str) -> list[float]:
    """What a plot shows, once there is one."""
    return json.loads(line(studio, name).get_attribute("data-values") or "[]")


def line(studio: Studio, name: str) -> Locator:
    return studio.tab.locator(f".plot polyline[data-name={name}]")


def wait_for_plot(studio: Studio, name: str, count: int) -> list[float]:
    """What a plot shows once it has `count` values."""
    studio.page.wait_for_function(
        "([line, count]) => JSON.parse(document.querySelector(line)?.dataset.values ?? '[]')"
        ".length === count",
        arg=[f"#tab-{studio.task} .plot polyline[data-name={name}]", count],
    )
    return plotted(studio, name)


def test_a_sampler_changes_while_the_picture_forms(studio: Studio, server: Server) -> None:
    studio.button("Under the hood").click()
    studio.fill(**LONG)
    studio.start()
    studio.wait_for_step(2)
    expect(studio.tab.locator(".news")).to_contain_text("live")
    studio.choose("Sampler", "Euler")
    expect(news(studio)).to_have_text(re.compile(r"^Model's own to Euler at step \d+$"))
    text = news(studio).inner_text()
    expect(record(studio)).to_have_text([text])
    end(studio)
    expect(record(studio)).to_have_count(2)
    texts = record(studio).all_inner_texts()
    assert texts[0] == text and texts[1].startswith("Steps 1000 to 1 at step ")

    studio.reload()
    studio.wait("done")
    expect(news(studio)).to_have_text(texts[1])
    studio.button("Under the hood").click()
    expect(record(studio)).to_have_text(texts)
    expect(studio.tab.locator(".plot .mark")).to_have_count(2)

    first, last = recorded(server)
    assert (first["scheduler"], last["steps"]) == ("Euler", 1)
    assert text.endswith(f" {first['call'] + 1}")


def end(studio: Studio) -> None:
    """Have the run make one step more: it is long, so that it lasts on a fast machine."""
    steps = studio.tab.get_by_label("number input for Steps")
    steps.fill("1")
    steps.press("Enter")
    studio.end("done")


def recorded(server: Server) -> list[dict[str, Any]]:
    """The changes that the newest picture tells of."""
    newest = max(server.outputs.rglob("*.png"), key=lambda path: path.stat().st_mtime)
    with Image.open(newest) as image:
        return json.loads(image.info["stepwise"])["request"]["changes"]


@pytest.mark.parametrize("task", ["unconditional"])
def test_a_number_is_told_when_it_is_settled(studio: Studio) -> None:
    studio.fill(**LONG)
    studio.start()
    studio.wait_for_step(2)
    steps = studio.tab.get_by_label("number input for Steps")
    steps.press("ControlOrMeta+a")
    steps.press_sequentially("900")
    steps.press("Enter")
    expect(news(studio)).to_have_text(re.compile(r"^Steps 1000 to 900 at step \d+$"))
    expect(studio.line).to_contain_text("of 900")
    studio.tab.get_by_label("range slider for Steps").press("ArrowLeft")
    expect(news(studio)).to_have_text(re.compile(r"^Steps 900 to 899 at step \d+$"))
    steps.fill("5000")
    steps.press("Enter")
    expect(news(studio)).to_have_text(re.compile(r"^No change at step \d+: steps is 5000"))
    end(studio)


def test_the_plots_follow_the_controls_also_while_the_device_is_busy(studio: Studio) -> None:
    studio.fill(**LONG)
    studio.start()
    studio.wait_for_step(1)

    studio.open("unconditional")
    studio.button("Under the hood").click()
    sigmas = wait_for_plot(studio, "Sigma", 51)
    assert sigmas == sorted(sigmas, reverse=True)
    assert len(plotted(studio, "Timestep")) == 50
    studio.tab.get_by_label("range slider for Steps").press("ArrowRight")
    wait_for_plot(studio, "Sigma", 52)
    uniform = line(studio, "Sigma").get_attribute("data-values") or ""
    studio.choose("Sampler", "Euler")
    studio.choose("Schedule type", "Karras")
    expect(line(studio, "Sigma")).not_to_have_attribute("data-values", uniform)
    studio.button("Scheduler's config").click()
    expect(studio.tab.locator(".json").first).to_contain_text('"use_karras_sigmas": true')
    studio.fill(Steps=0)
    expect(studio.tab.locator(".hood .problem")).to_contain_text("steps is 0")

    studio.open("text-to-image")
    studio.wait("drawing")
    studio.button("Stop").click()
    studio.end("stopped")


def test_a_model_is_described_without_loading_it_and_what_does_not_fit_it(studio: Studio) -> None:
    studio.button("Under the hood").click()
    parts = studio.tab.locator(".hood tr[data-part=unet] td")
    expect(parts.nth(1)).to_have_text("UNet2DConditionModel")
    expect(parts.nth(2)).to_have_text(re.compile(r"^[\d.]+( M)?$"))
    studio.tab.locator(".configs summary").get_by_text("unet").click()
    expect(studio.tab.get_by_label("Config of unet")).to_contain_text('"sample_size": 16')

    options = studio.options("Sampler")
    expect(options.get_by_role("option", name="Euler", exact=True)).to_be_visible()
    assert "Flow Euler" not in options.get_by_role("option").all_inner_texts()
    studio.page.keyboard.press("Escape")
    studio.tab.get_by_text("do not fit this model").click()
    expect(studio.tab.get_by_text("Flow Euler is for flow models")).to_be_visible()
