"""A model's safety checker looks at what the service draws, unless its owner says no."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from engine.service import InProcessWorker, Service
from engine.service.events import Finished, Saved
from engine.service.metadata import CHUNK, is_flagged
from tests.conftest import make_checker
from tests.service.pictures import pixels, run
from tests.service.stub import request


@pytest.mark.parametrize(
    ("nears", "safety", "flagged"), [(1, True, True), (0, True, False), (1, False, None)]
)
async def test_what_is_flagged_is_told_and_kept(
    nears: int, safety: bool, flagged: bool | None, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    shutil.copytree(tiny_checkpoint, models / "tiny")
    make_checker(models / "tiny", nears=nears)
    service = Service(
        lambda: InProcessWorker("cpu", "float32", models, safety), tmp_path / "out", models
    )
    service.start()
    try:
        events = await run(service, request(count=2, batch_size=2))
    finally:
        service.stop()
    pictures = [event for event in events if isinstance(event, Saved)]
    assert len(pictures) == 2
    for picture in pictures:
        path = Path(picture.path)
        assert picture.flagged == is_flagged(path) == bool(flagged)
        assert json.loads(Image.open(path).info[CHUNK]).get("flagged") is flagged
        assert pixels(path).std() > 0
    (end,) = [event for event in events if isinstance(event, Finished)]
    assert ("safety_checker" in end.loaded) == safety
