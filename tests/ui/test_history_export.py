"""What people take along of their pictures."""

import io
import zipfile
from dataclasses import replace
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


@pytest.mark.parametrize("kind", ["WebP", "JPEG"])
@pytest.mark.parametrize("prompt", ["красный куб", "赤い球", "😀 cube"])
def test_any_prompt_comes_back(tmp_path: Path, kind: str, prompt: str) -> None:
    asked = replace(ASKED, prompt=prompt, task="depth-to-image", image="a" * 64)
    record = describe(asked, index=0, size=(16, 16), made={})
    image = Image.new("RGB", (16, 16))
    for name, file in (
        ("whole", encode_png(image, record, write_infotext(asked, "DDIM"))),
        ("text", encode_png(image, {"long": "a" * 60_000}, write_infotext(asked, "DDIM"))),
    ):
        path = tmp_path / f"{name}.png"
        path.write_bytes(file)
        told = recall(encoded(path, kind, bare=False)).settings
        assert told["prompt"] == prompt
        assert told.get("task") == ("depth-to-image" if name == "whole" else None)


def test_what_a_format_does_not_hold_is_told(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    path.write_bytes(encode_png(Image.new("RGB", (16_400, 1)), {}))
    with pytest.raises(EngineError, match=r"packed as WebP: .*Another format"):
        pack([path], "WebP", False, tmp_path / "exports")
    assert list((tmp_path / "exports").iterdir()) == []


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


def test_several_are_a_zip_and_the_last_one_goes(picture: Path, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    other = tmp_path / "b-0.png"
    other.write_bytes(picture.read_bytes())
    whole = pack([picture, other], "JPEG", False, folder)
    with zipfile.ZipFile(whole) as archive:
        assert archive.namelist() == ["a-0.jpg", "b-0.jpg"]
        assert recall(archive.read("b-0.jpg")).app == "Stepwise"
    single = pack([picture], "PNG", False, folder)
    assert list(folder.iterdir()) == [single] and single.suffix == ".png"


def test_what_cannot_be_written_is_told(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EngineError, match="cannot be packed"):
        pack([picture], "PNG", False, tmp_path / "file" / "folder")
