"""The models of each kind: chosen, their own settings, and how to get one from the Hub."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.studio import Server, Studio


def number(studio: Studio, label: str) -> Locator:
    return studio.tab.get_by_label(f"number input for {label}")


def test_each_kind_brings_its_own_settings_and_draws(studio: Studio) -> None:
    studio.options("Model")
    listed = studio.page.get_by_role("option")
    expect(listed.filter(has_text="tiny-1.safetensors — Stable Diffusion,")).to_be_visible()
    expect(listed.filter(has_text="tiny-xl-turbo — SDXL, distilled,")).to_be_visible()
    studio.prompt.click()

    studio.choose("Model", "tiny-xl-turbo")
    expect(number(studio, "Steps")).to_have_value("4")
    expect(number(studio, "Guidance")).to_have_value("1")
    width = number(studio, "Width").input_value()
    assert "4 steps" in studio.run("a")

    studio.choose("Model", "tiny-1.safetensors")
    expect(number(studio, "Steps")).to_have_value("25")
    expect(number(studio, "Guidance")).to_have_value("5")
    expect(number(studio, "Width")).not_to_have_value(width)
    assert "3 steps" in studio.run("a", Steps=3, Width=64, Height=64)

    studio.choose("Model", "tiny-xl-turbo")  # what a person has set stays
    expect(number(studio, "Guidance")).to_have_value("1")
    expect(number(studio, "Steps")).to_have_value("3")


def test_a_star_brings_a_model_to_the_front_and_stays(studio: Studio) -> None:
    studio.page.locator("[role=tab][data-tab-id=models]").click()
    star = studio.page.get_by_role("button", name="Star: tiny-checked")
    expect(star).to_have_attribute("aria-pressed", "false")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    expect(studio.page.locator(".models li").first).to_contain_text("tiny-checked")
    for _ in range(2):
        studio.open("text-to-image")
        studio.options("Model")
        first = studio.page.get_by_role("option").first
        expect(first).to_contain_text("★ tiny-checked — ")
        studio.reload()


def test_a_model_comes_from_the_hub_and_draws(studio: Studio, server: Server) -> None:
    page = studio.page
    page.locator("[role=tab][data-tab-id=models]").click()
    name, look = (
        page.get_by_label("Model on the Hub"),
        page.get_by_role("button", name="Look it up"),
    )
    problem = page.locator("#tab-models [role=alert]")
    for asked, words in (
        ("name/none", "neither a folder here nor a repository"),
        ("name/closed", "is gated"),
        ("../models", "is not the name of a model on the Hub"),
    ):
        name.fill(asked)
        look.click()
        expect(problem).to_contain_text(words)
    name.fill("name/tiny")
    look.click()
    plan = page.locator(".plan")
    expect(plan).to_contain_text("StableDiffusionPipeline")
    expect(plan).to_contain_text("cc0-1.0")
    page.get_by_role("button", name="Download", exact=True).click()
    expect(page.locator(".downloads [data-state=done]")).to_contain_text("name/tiny")
    expect(page.locator(".models").get_by_text("name/tiny", exact=True)).to_be_visible()

    studio.open("text-to-image")
    studio.choose("Model", "name/tiny")
    assert "2 steps" in studio.run("a", Steps=2)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_tab_fits_its_window(studio: Studio, width: int) -> None:
    studio.page.set_viewport_size({"width": width, "height": 860})
    studio.page.locator("[role=tab][data-tab-id=models]").click()
    studio.page.locator(".models li").first.wait_for()
    assert studio.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
