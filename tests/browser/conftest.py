import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.studio import Server, Studio, serve
from tests.damage import DAMAGES, SPOILT


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_checkpoint: Path,
    tiny_ddpm_checkpoint: Path,
    tiny_depth_checkpoint: Path,
) -> Iterator[Server]:
    """app.py with a good model of each kind, and some that are spoilt, each in its own way."""
    folder = tmp_path_factory.mktemp("server")
    models = folder / "models"
    shutil.copytree(tiny_checkpoint, models / "a-good-one")
    shutil.copytree(tiny_ddpm_checkpoint, models / "tiny-ddpm")
    shutil.copytree(tiny_depth_checkpoint, models / "tiny-depth")
    for name in SPOILT:
        shutil.copytree(tiny_checkpoint, models / name)
        DAMAGES[name][0](models / name)
    with serve(folder, models) as server:
        yield server


@pytest.fixture
def task() -> str:
    """The tab that `studio` opens."""
    return "text-to-image"


@pytest.fixture
def studio(chromium: Browser, server: Server, task: str) -> Iterator[Studio]:
    """A fresh browser's page; afterwards it must have logged no error."""
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    studio = Studio(context.new_page(), server.url, task)
    yield studio
    context.close()
    assert studio.errors == []
