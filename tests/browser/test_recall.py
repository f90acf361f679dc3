"""A picture is dropped on the page, or chosen, and gives back how it was made."""

import base64
import io
import re
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.studio import Server, Studio

DROP = """(base64) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "a.png", { type: "image/png" }));
  const target = document.querySelector(".tasks");
  for (const kind of ["dragover", "drop"])
    target.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
}"""


def drop(page: Page, data: bytes) -> None:
    """As a person drops a file beside the controls."""
    page.evaluate(DROP, base64.b64encode(data).decode())


def said(studio: Studio) -> Locator:
    return studio.page.locator("#recalled section")


def newest(server: Server) -> Path:
    return max(server.outputs.glob("*/2*/*.png"), key=lambda path: path.stat().st_mtime_ns)


def test_a_picture_makes_itself_again_in_another_browser(
    studio: Studio, server: Server, chromium: Browser
) -> None:
    studio.fill("a red cube", Steps=400, Guidance=3)
    studio.start()
    studio.wait_for_step(1)
    studio.choose("Sampler", "Euler")
    expect(studio.tab.locator(".news[data-changes]")).to_contain_text("to Euler")
    steps = studio.tab.get_by_label("number input for Steps")
    steps.fill("1")
    steps.press("Enter")
    studio.end("done")
    first = newest(server)

    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    other = Studio(context.new_page(), server.url, "unconditional")
    drop(other.page, first.read_bytes())
    other.at("text-to-image")
    expect(other.prompt).to_have_value("a red cube")
    expect(said(other)).to_contain_text("Stepwise wrote into the picture are in Text to image")
    replay = other.tab.locator(".replay")
    expect(replay).to_contain_text("to Euler from call")
    expect(other.tab.get_by_label("number input for Steps")).to_have_value("400")
    other.reload()
    other.at("text-to-image")
    expect(replay).to_contain_text("to Euler from call")
    expect(other.tab.get_by_label("number input for Steps")).to_have_value("400")
    other.start()
    other.end("done")
    again = newest(server)
    assert again != first and again.read_bytes() == first.read_bytes()

    other.button("Leave them out").click()
    expect(replay).to_be_hidden()
    assert not other.errors
    context.close()


def test_a_picture_begins_with_what_it_began_with(studio: Studio, server: Server) -> None:
    studio.open("image-to-image")
    studio.begin()
    studio.run("a blue cube", Steps=2, Strength=0.5)
    first = newest(server)
    studio.remove("image")
    studio.fill("something else", Steps=9)
    studio.page.locator(".masthead input[type=file]").set_input_files(first)
    expect(studio.prompt).to_have_value("a blue cube")
    expect(studio.tab.get_by_label("number input for Steps")).to_have_value("2")
    studio.start()
    studio.end("done")
    again = newest(server)
    assert again != first and again.read_bytes() == first.read_bytes()


def test_of_a_picture_of_another_app_it_says_what_is_left_out(studio: Studio) -> None:
    info, file = PngInfo(), io.BytesIO()
    info.add_text(
        "parameters",
        "a castle\nNegative prompt: <b>fog</b>\nSteps: 7, Sampler: DPM++ 2M, "
        "Schedule type: Karras, CFG scale: 6, Seed: 5, Size: 512x512, "
        "Model: <i>dream, Clip skip: 2",
    )
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    drop(studio.page, file.getvalue())
    expect(studio.prompt).to_have_value("a castle")
    expect(studio.tab.get_by_label("Negative prompt")).to_have_value("<b>fog</b>")
    expect(studio.tab.get_by_role("combobox", name="Sampler", exact=True)).to_have_value("DPM++ 2M")
    expect(studio.tab.get_by_label("Seed", exact=True)).to_have_value("5")
    expect(said(studio)).to_contain_text("AUTOMATIC1111")
    told = said(studio).locator("dl")
    expect(told).to_contain_text(re.compile("model.*<i>dream .there is none of this name here."))
    expect(told).to_contain_text("Clip skip")
    said(studio).get_by_role("button", name="Close").click()
    expect(said(studio)).to_have_count(0)

    Image.new("RGB", (8, 8)).save(file := io.BytesIO(), "PNG")
    drop(studio.page, file.getvalue())
    expect(studio.page.locator(".toast-body")).to_contain_text("does not say how it was made")
    expect(studio.prompt).to_have_value("a castle")
