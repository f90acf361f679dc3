import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser

from tests.browser.studio import Server, Studio, serve
from tests.checkpoints.hub import serving
from tests.checkpoints.original import make as make_original
from tests.conftest import make_checker
from tests.damage import DAMAGES, SPOILT


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_checkpoint: Path,
    tiny_ddpm_checkpoint: Path,
    tiny_depth_checkpoint: Path,
    tiny_xl_checkpoint: Path,
) -> Iterator[Server]:
    """app.py with a good model of each kind, and some that are spoilt, each in its own way; beside
    it a Hub that has `name/tiny` and `name/closed`."""
    folder = tmp_path_factory.mktemp("server")
    models = folder / "models"
    shutil.copytree(tiny_checkpoint, models / "a-good-one")
    shutil.copytree(tiny_ddpm_checkpoint, models / "tiny-ddpm")
    shutil.copytree(tiny_depth_checkpoint, models / "tiny-depth")
    shutil.copytree(tiny_checkpoint, models / "tiny-checked")
    make_checker(models / "tiny-checked", nears=1)
    for name in SPOILT:
        shutil.copytree(tiny_checkpoint, models / name)
        DAMAGES[name][0](models / name)
    shutil.copytree(tiny_xl_checkpoint, models / "tiny-xl-turbo")
    make_original("1").save(models / "tiny-1.safetensors", torch.float16)
    cache = str(folder / "cache")
    with (
        serving() as hub,
        serve(folder, models, HF_ENDPOINT=hub.url, HF_HUB_CACHE=cache, HF_TOKEN="") as server,
    ):
        tiny = hub.repo("name/tiny")
        tiny.commit_folder(tiny_checkpoint)
        tiny.card = {"license": "cc0-1.0"}
        closed = hub.repo("name/closed")
        closed.commit_folder(tiny_checkpoint)
        closed.closed = "GatedRepo"
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
