"""Take the README's pictures of the page: `python -m tests.browser.screenshots FOLDER`."""

import itertools
import sys
import tempfile
from pathlib import Path

from tests.browser.studio import Studio, chromium_path, open_chromium, serve
from tests.repository import ROOT

PROMPT = "a large shiny red sphere on a wooden floor"
BUSY = "a large shiny red sphere and a small matte blue cube on a wooden floor, pink background"
DRAWN = (PROMPT, "a yellow cone and a purple cylinder, sunset background", "a small blue cube")
TABS = {"text-to-image": "screenshot", "unconditional": "screenshot-unconditional"}
VIEWS = {
    "": {"viewport": {"width": 1280, "height": 900}},
    "-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "-phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


def main(folder: Path) -> None:
    chromium = chromium_path()
    assert chromium, "Chromium is needed; its program may be named in the variable CHROMIUM"
    with tempfile.TemporaryDirectory() as temporary:
        place = serve(Path(temporary), ROOT / "assets" / "models")
        with place as server, open_chromium(chromium) as browser:
            for (task, name), (view, options) in itertools.product(TABS.items(), VIEWS.items()):
                studio = Studio(browser.new_page(**options), server.url, task)
                studio.tab.get_by_label("New seed for every run").uncheck()
                studio.run(PROMPT, Pictures=4)
                studio.page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
                studio.page.wait_for_function("[...document.images].every(i => i.complete)")
                studio.page.screenshot(path=folder / f"{name}{view}.png")
                studio.button("Under the hood").click()
                studio.tab.locator(".plot").nth(2).wait_for()
                studio.tab.locator(".beneath").screenshot(path=folder / f"{name}-hood{view}.png")
            for view, options in VIEWS.items():
                studio = Studio(browser.new_page(**options), server.url, "compare")
                studio.prompt.fill(BUSY)
                studio.tab.get_by_role("textbox", name="Values down").fill("4, 8, 16")
                studio.start()
                studio.end("done")
                studio.tab.locator("[data-refer]").last.click()
                studio.page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
                studio.page.screenshot(
                    path=folder / f"screenshot-compare{view}.png", full_page=True
                )
            for view, options in VIEWS.items():
                studio = Studio(browser.new_page(**options), server.url)
                for prompt in DRAWN:
                    studio.run(prompt, Pictures=6)
                studio.page.evaluate("document.querySelector('[data-tab-id=history]').click()")
                tab = studio.page.locator("#tab-history")
                for star in (1, 4, 9):
                    tab.locator(".star").nth(star).click()
                tab.locator(".look").nth(1).click()
                tab.locator(".detail").wait_for()
                studio.page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
                studio.page.wait_for_timeout(1000)
                studio.page.screenshot(
                    path=folder / f"screenshot-history{view}.png", full_page=True
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
