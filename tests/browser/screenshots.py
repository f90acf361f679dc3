"""Take the README's picture of the page: `python -m tests.browser.screenshots FOLDER`."""

import sys
import tempfile
from pathlib import Path

from tests.browser.studio import Studio, chromium_path, open_chromium, serve
from tests.repository import ROOT

PROMPT = "a large shiny red sphere on a wooden floor"
VIEWS = {
    "screenshot": {"viewport": {"width": 1280, "height": 900}},
    "screenshot-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "screenshot-phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


def main(folder: Path) -> None:
    path = chromium_path()
    assert path, "Chromium is needed; its program may be named in the variable CHROMIUM"
    with tempfile.TemporaryDirectory() as temporary:
        place = serve(Path(temporary), ROOT / "assets" / "models")
        with place as server, open_chromium(path) as browser:
            for name, options in VIEWS.items():
                studio = Studio(browser.new_page(**options), server.url)
                studio.page.get_by_label("New seed for every run").uncheck()
                studio.run(PROMPT, Pictures=4)
                studio.page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
                studio.page.wait_for_function("[...document.images].every(i => i.complete)")
                studio.page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
