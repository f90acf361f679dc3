"""A picture that a model's safety checker flagged, in the page of who asked for it."""

from playwright.sync_api import Locator, expect

from tests.browser.studio import Studio

DETAIL = """image => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let i = 4; i < data.length; i += 4) sum += Math.abs(data[i] - data[i - 4]);
  return sum / (data.length / 4);
}"""
"""The mean difference of neighbouring pixels."""


def detail(image: Locator) -> float:
    expect(image).to_be_visible()
    image.page.wait_for_function("i => i.complete && i.naturalWidth", arg=image.element_handle())
    return float(image.evaluate(DETAIL))


def test_it_is_covered_until_it_is_asked_for(studio: Studio) -> None:
    studio.choose("Model", "tiny-checked")
    assert "Done" in studio.run("a", Steps=4)
    picture, veil = studio.tab.locator(".picture img"), studio.tab.locator(".veil")
    expect(veil).to_contain_text("flagged this picture")
    assert (picture.get_attribute("alt") or "").startswith("Covered: ")
    expect(studio.film.locator("img")).to_have_count(0)
    expect(studio.slider).to_be_hidden()
    covered = detail(picture)
    assert detail(studio.tab.locator(".shelf img").first) < 3

    veil.get_by_role("button", name="Show it").click()
    expect(veil).to_have_count(0)
    expect(picture).to_have_attribute("alt", "a")
    assert covered < 3 < detail(picture)

    studio.page.locator("[role=tab][data-tab-id=history]").click()
    studio.page.locator("#tab-history .look").first.click()
    picture, veil = (
        studio.page.locator(f"#tab-history {name}") for name in (".picture img", ".veil")
    )
    assert detail(picture) < 3
    veil.get_by_role("button", name="Show it").click()
    expect(veil).to_have_count(0)
    assert detail(picture) > 3
