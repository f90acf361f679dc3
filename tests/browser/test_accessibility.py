"""What axe-core finds in a tab before and after a run, on small random checkpoints."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.studio import Studio
from ui.tabs import TABS

GRADIOS = ('aria-label="Empty value"',)
"""In the HTML of what Gradio brings along: an empty image has a label but no role."""


def violations(studio: Studio) -> dict[str, list[str]]:
    """Rule -> our elements that break it, of the rules that are serious or critical."""
    broken = {
        one["id"]: [
            html
            for node in one["nodes"]
            if not any(own in (html := node["html"]) for own in GRADIOS)
        ]
        for one in Axe().run(studio.page).response["violations"]
        if one["impact"] in ("serious", "critical")
    }
    return {rule: elements for rule, elements in broken.items() if elements}


@pytest.mark.parametrize("task", [tab.task for tab in TABS])
def test_nothing_shuts_anyone_out(studio: Studio) -> None:
    assert violations(studio) == {}
    studio.begin()
    studio.run(Steps=2)
    assert violations(studio) == {}
    studio.page.emulate_media(color_scheme="dark")
    studio.page.locator("body.dark").wait_for()
    assert violations(studio) == {}, "in the dark"
