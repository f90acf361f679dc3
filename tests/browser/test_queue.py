"""Runs that wait, that draw one picture after another, and that a page finds again."""

from playwright.sync_api import Browser, expect

from tests.browser.studio import LONG, Server, Studio


def test_generate_while_a_run_goes_on_puts_another_behind_it(studio: Studio) -> None:
    shelf = studio.tab.locator(".shelf img")
    studio.fill("a ball", **LONG)
    studio.start()
    studio.wait_for_step(1)
    studio.fill("a cone", Pictures=2, **{"At once": 1})
    studio.page.keyboard.press("Control+Enter")
    studio.fill(Steps=2)  # of the first run, which is over then
    expect(shelf).to_have_count(16)
    expect(studio.line).to_contain_text("picture 1 of 2")
    studio.fill(Steps=3)
    studio.end("done")
    expect(shelf).to_have_count(18)
    expect(studio.tab.locator(".picture img")).to_have_attribute("alt", "a cone")

    studio.reload()
    studio.end("done")
    expect(shelf).to_have_count(18)
    studio.run("a cube", Steps=2, Pictures=1)
    expect(shelf).to_have_count(19)


def test_pictures_come_one_after_another_and_one_can_be_the_last(studio: Studio) -> None:
    shelf = studio.tab.locator(".shelf img")
    last = studio.button("Let this picture be the last")
    expect(last).to_be_hidden()
    studio.fill("a ball", Steps=60, Pictures=16)
    studio.start()
    expect(shelf.first).to_be_visible()
    expect(studio.line).to_contain_text("of 16")
    last.click()
    studio.end("done")
    expect(last).to_be_hidden()
    assert 1 <= shelf.count() < 16


def test_variations_of_a_seed_are_near_it(studio: Studio) -> None:
    facts = studio.tab.locator(".facts")
    studio.tab.get_by_label("New seed for every run").uncheck()
    studio.button("Variations of one seed").click()
    studio.tab.get_by_label("number input for Variation strength").fill("0.1")
    studio.tab.get_by_label("Variation seed").fill("8")
    studio.run("a ball", Steps=2, Pictures=2)
    expect(facts).to_contain_text("Seed 0 · variation 9")


def test_two_browsers_see_only_their_own(studio: Studio, chromium: Browser, server: Server) -> None:
    studio.fill("mine", **LONG)
    studio.start()
    studio.wait_for_step(1)
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    other = Studio(context.new_page(), server.url)
    expect(other.line).to_have_attribute("data-phase", "idle")
    other.fill("theirs", Steps=2)
    other.start()
    assert "Waiting" in other.wait("queued").inner_text()
    studio.button("Stop").click()
    studio.end("stopped")
    assert "2 steps" in other.end("done").inner_text()
    expect(studio.tab.locator(".shelf img")).to_have_count(0)
    expect(other.tab.locator(".shelf img")).to_have_count(1)
    context.close()
