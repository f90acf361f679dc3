"""Runs that wait, that draw one picture after another, and that a page finds again."""

import time
from urllib.request import urlopen

from playwright.sync_api import Browser, Locator, expect

from tests.browser.studio import LIMIT, LONG, Server, Studio


def in_line(studio: Studio, prompt: str) -> Locator:
    """The line of the queue for a prompt."""
    return studio.page.locator(".queue li", has_text=prompt)


def queue_up(studio: Studio, *prompts: str) -> None:
    """A long run, and one behind it for each prompt."""
    studio.fill("the long one", **LONG | {"Pictures": 6, "At once": 6})
    studio.start()
    studio.wait_for_step(1)
    studio.fill(Pictures=1, **{"At once": 1})
    for prompt in prompts:
        studio.fill(prompt)
        studio.page.keyboard.press("Control+Enter")
        expect(in_line(studio, prompt)).to_be_visible()


def waiting(server: Server) -> bool:
    """Whether runs wait."""
    with urlopen(f"{server.url}metrics", timeout=LIMIT) as answer:
        return b"\nstepwise_jobs_waiting 0.0\n" not in answer.read()


def wait_for_none_waiting(server: Server) -> None:
    end = time.monotonic() + LIMIT
    while waiting(server):
        assert time.monotonic() < end, "runs wait still"
        time.sleep(0.5)


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
    strength = studio.tab.get_by_label("number input for Variation strength")
    seed = studio.tab.get_by_label("Variation seed")
    expect(strength).to_be_editable()
    expect(seed).to_be_editable()
    strength.fill("0.1")
    seed.fill("8")
    expect(studio.tab.get_by_label("range slider for Variation strength")).to_have_value("0.1")
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


def test_five_in_line_one_removed_and_the_rest_run_in_order(studio: Studio) -> None:
    lines = studio.page.locator(".queue li .what")
    queue_up(studio, "first", "second", "third", "fourth")
    in_line(studio, "third").get_by_role("button", name="Remove").click()
    expect(in_line(studio, "third")).to_have_count(0)
    in_line(studio, "fourth").get_by_role("button", name="Earlier").click()
    expect(lines).to_have_text(["the long one", "first", "fourth", "second"])
    expect(in_line(studio, "second")).to_contain_text("2 ahead")
    in_line(studio, "fourth").get_by_text("Settings").click()
    expect(in_line(studio, "fourth").locator("dl")).to_contain_text("1000")
    expect(in_line(studio, "fourth").locator("dl")).to_be_visible()
    in_line(studio, "fourth").get_by_role("button", name="Later").click()
    expect(lines).to_have_text(["the long one", "first", "second", "fourth"])
    expect(in_line(studio, "fourth").get_by_role("button", name="Earlier")).to_be_focused()
    expect(in_line(studio, "fourth").locator("dl")).to_be_visible()
    expect(studio.page.locator(".queue dl:visible")).to_have_count(1)
    in_line(studio, "fourth").get_by_role("button", name="Earlier").click()
    expect(lines).to_have_text(["the long one", "first", "fourth", "second"])

    studio.fill(Steps=2)  # of the long run: it ends, the others begin with what they were given
    for prompt in ("first", "fourth"):
        expect(lines.first).to_have_text(prompt)
        in_line(studio, prompt).get_by_role("button", name="Stop").click()
    # the last one waits for nobody: the list has gone, and the tab shows it
    expect(lines).to_have_count(0)
    studio.wait_for_step(1)
    studio.button("Stop").click()
    studio.end("stopped")
    expect(studio.tab.locator(".shelf img")).to_have_count(6)


def test_a_closed_page_finds_its_runs_again(studio: Studio, server: Server) -> None:
    queue_up(studio, "first")
    studio.page.close()
    again = Studio(studio.page.context.new_page(), server.url)
    expect(in_line(again, "first")).to_be_visible()
    again.wait_for_step(1)
    in_line(again, "first").get_by_role("button", name="Remove").click()
    expect(again.page.locator(".queue li")).to_have_count(0)
    again.fill(Steps=2)  # of the long run, which is over then
    again.end("stopped", "done")
    expect(again.tab.locator(".shelf img")).to_have_count(6)


def test_closing_the_page_can_take_what_waits_off_the_queue(studio: Studio, server: Server) -> None:
    studio.button_of_page("Preferences").click()
    studio.page.get_by_label("Closing the page takes my waiting runs off the queue").check()
    queue_up(studio, "first", "second")
    studio.page.goto("about:blank")  # Playwright's own closing may give a page no time to tell
    studio.errors.clear()  # leaving cuts Gradio's connection
    wait_for_none_waiting(server)
    again = Studio(studio.page.context.new_page(), server.url)
    again.wait_for_step(1)
    expect(again.page.locator(".queue li")).to_have_count(0)
    again.button_of_page("Preferences").click()
    expect(again.page.get_by_label("Closing the page takes my waiting runs")).to_be_checked()
    again.fill(Steps=2)  # of the run that went on
    again.end("done")


def test_a_connection_lost_for_five_seconds_loses_nothing(studio: Studio, server: Server) -> None:
    queue_up(studio, "first")
    studio.page.context.set_offline(True)
    time.sleep(5)
    studio.page.context.set_offline(False)
    studio.wait_for_step(studio.step + 1)
    expect(studio.prompt).to_have_value("first")
    for _ in range(9):  # a page that notices the loss late opens itself anew, and takes no click
        if waiting(server):
            in_line(studio, "first").get_by_role("button", name="Remove").click()
            time.sleep(3)
    assert not waiting(server)
    expect(studio.page.locator(".queue li")).to_have_count(0)
    studio.fill(Steps=2)
    studio.end("stopped", "done")
    expect(studio.tab.locator(".shelf img")).to_have_count(6)
    studio.errors.clear()  # of the requests that found no network


def test_a_run_for_each_of_many_prompts(studio: Studio) -> None:
    lines = studio.tab.get_by_label("One prompt on each line")
    studio.button("Many prompts").click()
    studio.tab.locator(".many input[type=file]").set_input_files(
        {"name": "a.txt", "mimeType": "text/plain", "buffer": b"a ball\n\na cone\na cube\n"}
    )
    expect(lines).to_have_value("a ball\n\na cone\na cube\n")
    studio.fill(Steps=2)
    studio.button("Generate all").click()
    expect(studio.tab.locator(".shelf img")).to_have_count(3)
    expect(studio.tab.locator(".picture img")).to_have_attribute("alt", "a cube")
    expect(lines).to_have_value("")


def test_a_hidden_page_tells_in_its_title_that_a_run_has_ended(studio: Studio) -> None:
    hide = (
        "hidden => Object.defineProperty(document, 'hidden', {value: hidden, configurable: true})"
    )
    studio.fill("a ball", Steps=2)
    studio.page.evaluate(hide, True)
    studio.start()
    studio.end("done")
    expect(studio.page).to_have_title("Done · Stepwise")
    studio.page.evaluate(hide, False)
    studio.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(studio.page).to_have_title("Stepwise")
