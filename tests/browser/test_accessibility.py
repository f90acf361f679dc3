"""What axe-core and a screen reader find in a tab, on small random checkpoints."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.studio import Studio
from ui.tabs import TABS

GRADIOS = ('aria-label="Empty value"',)
"""In the HTML of what Gradio brings along: an empty image has a label but no role."""


def violations(studio: Studio) -> dict[str, list[str]]:
    """Rule -> our elements that break it, of the rules that are serious or critical."""
    broken: dict[str, list[str]] = {}
    for one in Axe().run(studio.page).response["violations"]:
        elements = [node["html"] for node in one["nodes"]]
        ours = [html for html in elements if not any(own in html for own in GRADIOS)]
        if ours and one["impact"] in ("serious", "critical"):
            broken[one["id"]] = ours
    return broken


@pytest.mark.parametrize("task", [tab.task for tab in TABS])
def test_nothing_shuts_anyone_out(studio: Studio) -> None:
    assert violations(studio) == {}
    controls = studio.controls()
    assert len(controls) > 15
    assert [role for role, name in controls if not name.strip()] == []
    studio.begin()
    studio.run(Steps=2)
    assert violations(studio) == {}
    studio.page.emulate_media(color_scheme="dark")
    studio.page.locator("body.dark").wait_for()
    studio.page.wait_for_timeout(1000)  # colours fade from one to the other
    assert violations(studio) == {}, "in the dark"
