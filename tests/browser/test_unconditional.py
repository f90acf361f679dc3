"""What a person does in the tab, on a small random checkpoint."""

import pytest
from playwright.sync_api import Browser, expect

from tests.api import client
from tests.browser.studio import LONG, Server, Studio


@pytest.fixture
def task() -> str:
    return "unconditional"


def frames(studio: Studio) -> list[int]:
    """The steps that the filmstrip shows."""
    return [int(text) for text in studio.film.locator("span").all_inner_texts()]


def stop(studio: Studio) -> None:
    studio.button("Stop").click()
    studio.end("stopped")


def test_pictures_come_out_of_noise_on_a_strip(studio: Studio) -> None:
    labels = studio.tab.locator(":is(.compose, .settings) [data-testid=block-info]")
    texts = ["Model", "Sampler", "Schedule type", "Steps", "Pictures", "At once", "Seed"]
    expect(labels).to_have_text(texts)
    expect(studio.film.locator(".empty")).to_have_count(16)
    assert "50 steps" in studio.run(Pictures=2, **{"At once": 2})
    expect(studio.film.locator(".empty")).to_have_count(0)
    steps = frames(studio)
    assert (len(steps), steps[0], steps[-1]) == (16, 1, 50)
    assert steps == sorted(set(steps))
    images = studio.film.locator("img")
    images.evaluate_all("imgs => Promise.all(imgs.map(img => img.decode()))")
    sizes = images.evaluate_all("imgs => imgs.map(i => [i.naturalWidth, i.naturalHeight])")
    assert sizes == [[32, 16]] * 16
    assert images.nth(3).get_attribute("alt") == f"Step {steps[3]} of 50"
    assert len(set(images.evaluate_all("imgs => imgs.map(i => i.src)"))) == 16

    expect(studio.tab.locator(".shelf img")).to_have_count(2)
    picture = studio.tab.locator(".picture img")
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 16
    assert "seed" in (picture.get_attribute("alt") or "")


def test_a_new_run_begins_a_new_strip_that_a_reloaded_page_has_so_far(studio: Studio) -> None:
    studio.run(Steps=3)
    assert frames(studio) == [1, 2, 3]
    studio.fill(**LONG)
    studio.start()
    expect(studio.film.locator("li")).to_have_count(16)
    expect(studio.film.locator("img").first).to_be_visible()
    shown = frames(studio)
    assert shown[0] == 1 and not {2, 3} & set(shown)
    studio.wait_for_step(120)
    expect(studio.film.locator("img").nth(1)).to_be_visible()
    before = frames(studio)
    assert before[: len(shown)] == shown
    studio.reload()
    expect(studio.film.locator("img").nth(len(before) - 1)).to_be_visible()
    assert frames(studio)[: len(before)] == before
    stop(studio)
    assert frames(studio)[: len(before)] == before


def test_runs_of_two_tabs_follow_one_another_through_a_reload(studio: Studio) -> None:
    studio.open("text-to-image")
    studio.fill(**LONG)
    studio.start()
    studio.wait_for_step(1)
    studio.open("unconditional")
    studio.fill(Steps=2)
    studio.start()
    assert "Waiting" in studio.wait("queued").inner_text()
    studio.reload()
    assert "Waiting" in studio.wait("queued").inner_text()
    studio.open("text-to-image")
    studio.wait("drawing")
    stop(studio)
    studio.open("unconditional")
    assert "2 steps" in studio.wait("done").inner_text()
    studio.reload()
    assert "2 steps" in studio.wait("done").inner_text()


def test_a_phone_scrolls_the_strip_alone(chromium: Browser, server: Server, task: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    studio = Studio(context.new_page(), server.url, task)
    studio.run(Steps=20, Pictures=4, **{"At once": 4})
    wide, shown = studio.film.evaluate("film => [film.scrollWidth, film.clientWidth]")
    assert wide > shown
    left = "document.querySelector('#tab-unconditional .film').scrollLeft"
    newest = wide - shown
    studio.page.wait_for_function(f"newest => Math.abs({left} - newest) <= 2", arg=newest)
    assert studio.page.evaluate("document.documentElement.scrollWidth") <= 390
    studio.film.focus()
    studio.page.keyboard.press("ArrowLeft")
    studio.page.wait_for_function(f"newest => {left} < newest - 2", arg=newest)
    context.close()


def test_the_http_api_takes_names(server: Server) -> None:
    api = client(server.url)
    draw = {"model": "tiny-ddpm", "steps": 2, "scheduler": "DDIM", "api_name": "/unconditional"}
    pictures = api.predict(**draw, seed=7, count=2)
    assert [(picture["seed"], picture["width"]) for picture in pictures] == [(7, 16), (8, 16)]
