"""What holds in every tab, on small random checkpoints."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.studio import LONG, Server, Studio
from ui.tabs import TABS


@pytest.fixture(params=[tab.task for tab in TABS])
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def studio(studio: Studio) -> Studio:
    studio.begin()
    return studio


def test_stop_ends_the_run_and_another_sampler_loads_nothing(studio: Studio) -> None:
    """That it ends within a step is shown where no click travels: in the tests of the service."""
    studio.button("Under the hood").click()
    studio.tab.locator(".hood .memory").wait_for()  # of before the run
    studio.fill(**LONG)
    studio.start()
    studio.wait_for_step(2)
    studio.button("Stop").click()
    stopped = int(studio.end("stopped").get_attribute("data-step") or -1)
    assert 2 <= stopped < LONG["Steps"]

    assert "2 steps" in studio.run(Steps=2, Pictures=1)
    before = studio.memory()
    address = studio.tab.locator(".picture img").get_attribute("src")
    assert address
    studio.choose("Sampler", "Euler")
    studio.run()
    expect(studio.tab.locator(".picture img")).not_to_have_attribute("src", address)
    expect(studio.tab.locator(".hood .last-run")).to_have_attribute("data-loaded", "0")
    assert studio.memory() == before


def test_seeds_are_new_or_kept_and_a_reloaded_page_finds_its_run(studio: Studio) -> None:
    seed = studio.tab.get_by_label("Seed", exact=True)
    fresh = studio.tab.get_by_label("New seed for every run")
    facts = studio.tab.locator(".facts")
    studio.run(Steps=1)
    first = seed.input_value()
    studio.run()
    second = seed.input_value()
    assert first != second
    studio.button("Roll").click()
    expect(fresh).not_to_be_checked()
    expect(seed).not_to_have_value(second)
    assert seed.input_value() != first
    studio.button("Reuse").click()
    expect(seed).to_have_value(second)
    studio.run()
    expect(seed).to_have_value(second)
    expect(facts).to_contain_text(f"Seed {second} ")
    studio.button("Thumbnail 3").click()
    expect(facts).to_contain_text(f"Seed {first} ")

    studio.fill(Steps=60, Pictures=4)
    studio.start()
    studio.wait("drawing")
    studio.reload()
    expect(studio.tab).to_be_visible()
    expect(studio.tab.locator(".shelf img")).to_have_count(7)
    assert "60 steps" in studio.end("done").inner_text()


def test_a_phone_shows_it_in_one_column(chromium: Browser, server: Server, task: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    studio = Studio(context.new_page(), server.url, task)
    expect(studio.page.locator("[role=tab][aria-selected=true]")).to_be_in_viewport()
    studio.begin()
    studio.fill(Steps=20)
    studio.generate.tap()
    studio.end("done")
    assert studio.page.evaluate("document.documentElement.scrollWidth") <= 390
    generate = studio.generate.bounding_box()
    picture = studio.tab.locator(".picture").bounding_box()
    assert generate and picture
    assert generate["y"] + generate["height"] < picture["y"]
    assert picture["y"] < 844 or studio.tab.locator(".tries").count()
    assert picture["width"] > 300
    context.close()
