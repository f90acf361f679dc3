"""The History tab, as a person uses it; then a new browser, with nothing but a file."""

from pathlib import Path

from playwright.sync_api import Browser, Locator, expect

from engine.service.recall import recall
from tests.browser.studio import Server, Studio
from tests.browser.test_accessibility import violations
from tests.browser.test_recall import drop, newest


def cards(studio: Studio) -> Locator:
    return tab(studio).locator(".cards li")


def tab(studio: Studio) -> Locator:
    return studio.page.locator("#tab-history")


def open_history(studio: Studio) -> None:
    studio.page.locator("[role=tab][data-tab-id=history]").click()
    expect(tab(studio).locator(".bar")).to_be_visible()


def test_a_picture_is_found_sorted_compared_and_comes_back(
    studio: Studio, server: Server, chromium: Browser, tmp_path: Path
) -> None:
    studio.run("a red cube", Steps=2)
    studio.run("a blue ball", Steps=3)
    open_history(studio)
    expect(cards(studio)).to_have_count(2)
    expect(cards(studio).locator("img").first).to_have_js_property("complete", True)

    search = tab(studio).get_by_label("Search prompts")
    search.fill("CUBE red")
    expect(cards(studio)).to_have_count(1)
    cards(studio).locator(".star").click()
    search.fill("")
    expect(cards(studio)).to_have_count(2)
    tab(studio).get_by_label("Favourites only").check()
    expect(cards(studio)).to_have_count(1)
    expect(cards(studio).locator("img")).to_have_attribute("alt", "a red cube")
    tab(studio).get_by_label("Favourites only").uncheck()
    expect(cards(studio)).to_have_count(2)

    compare = tab(studio).get_by_role("button", name="Compare two")
    expect(compare).to_be_disabled()
    tab(studio).get_by_role("button", name="Choose these 2").click()
    compare.click()
    expect(tab(studio).locator(".curtain img").first).to_be_visible()
    slider = tab(studio).get_by_label("How much is seen of a blue ball")
    expect(slider).to_be_focused()
    slider.press("ArrowLeft")
    expect(tab(studio).locator(".behind")).to_have_attribute("style", "--at: 49%;")
    assert violations(studio) == {}

    tab(studio).get_by_text("JPEG", exact=True).click()
    with studio.page.expect_download() as download:
        tab(studio).get_by_role("button", name="Download chosen").click()
    assert download.value.suggested_filename.endswith(".zip")
    search.fill("cube")  # cards take each other's places, but what is chosen is the picture
    expect(cards(studio)).to_have_count(1)
    expect(tab(studio).locator(".bar")).to_contain_text("1 picture, 1 chosen")
    search.fill("")
    expect(cards(studio)).to_have_count(2)
    expect(cards(studio).locator("input:checked")).to_have_count(1)
    with studio.page.expect_download() as download:
        tab(studio).get_by_role("button", name="Download chosen").click()
    assert recall(download.value.path().read_bytes()).settings["prompt"] == "a red cube"

    tab(studio).get_by_role("button", name="Move to trash").click()
    expect(cards(studio)).to_have_count(1)
    tab(studio).get_by_label("In the trash").check()
    expect(cards(studio).locator("img")).to_have_attribute("alt", "a red cube")
    cards(studio).locator("input").check()
    tab(studio).get_by_role("button", name="Restore").click()
    expect(cards(studio)).to_have_count(0)
    tab(studio).get_by_label("In the trash").uncheck()
    expect(cards(studio)).to_have_count(2)

    cards(studio).locator(".look").nth(1).click()
    expect(tab(studio).locator(".detail")).to_contain_text("a red cube")
    tab(studio).get_by_role("button", name="Use its settings").click()
    studio.at("text-to-image")
    expect(studio.prompt).to_have_value("a red cube")
    expect(studio.tab.get_by_label("number input for Steps")).to_have_value("2")

    (first,) = [p for p in server.outputs.glob("*/2*/*.png") if b"a red cube" in p.read_bytes()
                and p.parents[1] == newest(server).parents[1]]  # fmt: skip
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    other = Studio(context.new_page(), server.url)
    drop(other.page, first.read_bytes())
    expect(other.prompt).to_have_value("a red cube")
    expect(other.tab.get_by_label("number input for Steps")).to_have_value("2")
    other.start()
    other.end("done")
    assert newest(server).parents[1] != first.parents[1]
    assert newest(server).read_bytes() == first.read_bytes()
    open_history(other)
    expect(cards(other)).to_have_count(1)
    assert other.errors == []
    context.close()


def test_what_is_deleted_for_good_is_asked_for_first(studio: Studio, server: Server) -> None:
    studio.run("a cone", Steps=2)
    path = newest(server)
    open_history(studio)
    cards(studio).locator("input").check()
    tab(studio).get_by_role("button", name="Move to trash").click()
    expect(cards(studio)).to_have_count(0)
    tab(studio).get_by_label("In the trash").check()
    cards(studio).locator("input").check()
    studio.page.once("dialog", lambda dialog: dialog.dismiss())
    tab(studio).get_by_role("button", name="Delete for good").click()
    expect(cards(studio)).to_have_count(1)
    trashed = path.parents[1] / "trash" / path.parent.name / path.name
    assert trashed.is_file() and not path.exists()
    studio.page.once("dialog", lambda dialog: dialog.accept())
    tab(studio).get_by_role("button", name="Delete for good").click()
    expect(cards(studio)).to_have_count(0)
    assert not trashed.exists()
