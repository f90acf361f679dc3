"""What people take along of their pictures."""

import io
import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from sd_parsers import ParserManager

from engine.errors import EngineError, PictureError
from engine.pipelines.request import Request
from engine.service.infotext import write_infotext
from engine.service.metadata import describe, encode_png
from engine.service.recall import recall
from ui.history.export import FORMATS, encoded, pack

ASKED = Request("tabletop", "a red ball, größer", seed=7, scheduler="Euler a", width=16, height=16)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a-0.png"
    record = describe(ASKED, index=0, size=(16, 16), made={})
    image = Image.new("RGB", (16, 16), "red")
    path.write_bytes(encode_png(image, record, write_infotext(ASKED, "EulerAncestral")))
    return path


def test_a_png_is_the_file_itself(picture: Path) -> None:
    assert encoded(picture, "PNG", bare=False) == picture.read_bytes()


@pytest.mark.parametrize("kind", ["WebP", "JPEG"])
def test_others_say_how_they_were_made_where_readers_look(picture: Path, kind: str) -> None:
    data = encoded(picture, kind, bare=False)
    assert recall(data).settings["prompt"] == ASKED.prompt
    assert recall(data).settings["seed"] == 7
    theirs = ParserManager().parse(io.BytesIO(data))
    assert theirs is not None and [str(p) for p in theirs.prompts] == [ASKED.prompt]


@pytest.mark.parametrize("kind", FORMATS)
def test_it_can_be_left_out(picture: Path, kind: str) -> None:
    data = encoded(picture, kind, bare=True)
    assert b"red ball" not in data
    with pytest.raises(PictureError):
        recall(data)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (16, 16) and image.convert("RGB").getpixel((8, 8))[0] > 240  # type: ignore[index]


def test_several_are_a_zip_and_old_ones_go(picture: Path, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    other = tmp_path / "b-0.png"
    other.write_bytes(picture.read_bytes())
    whole = pack([picture, other], "JPEG", False, folder)
    with zipfile.ZipFile(whole) as archive:
        assert archive.namelist() == ["a-0.jpg", "b-0.jpg"]
        assert recall(archive.read("b-0.jpg")).app == "Stepwise"
    os.utime(whole, (0, 0))
    single = pack([picture], "PNG", False, folder)
    assert list(folder.iterdir()) == [single] and single.suffix == ".png"


def test_what_cannot_be_written_is_told(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EngineError, match="cannot be packed"):
        pack([picture], "PNG", False, tmp_path / "file" / "folder")
