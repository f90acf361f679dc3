import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.studio import Server, Studio, chromium_path, open_chromium, serve
from tests.damage import DAMAGES, SPOILT


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = chromium_path()
    if path is None:
        pytest.fail(
            "The browser tests need Chromium: install it (apt-get install chromium), or name its "
            "program in the environment variable CHROMIUM.",
            pytrace=False,
        )
    with open_chromium(path) as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Iterator[Server]:
    """app.py with a good model and some that are spoilt, each in its own way."""
    folder = tmp_path_factory.mktemp("server")
    models = folder / "models"
    shutil.copytree(tiny_checkpoint, models / "a-good-one")
    for name in SPOILT:
        shutil.copytree(tiny_checkpoint, models / name)
        DAMAGES[name][0](models / name)
    with serve(folder, models) as server:
        yield server


@pytest.fixture
def studio(chromium: Browser, server: Server) -> Iterator[Studio]:
    """A fresh browser's page; afterwards it must have logged no error."""
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    studio = Studio(context.new_page(), server.url)
    yield studio
    context.close()
    assert studio.errors == []
