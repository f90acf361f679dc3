"""Pictures that nobody vouches for: what is read, how, and what is refused."""

import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import PictureError
from engine.pictures import as_depth, as_mask, as_rgb, fit, open_picture
from tests.repository import ROOT

RGB = Image.fromarray(np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3) * 3)
DEEP = Image.fromarray((np.arange(24).reshape(6, 4) * 2500 + 7).astype(np.uint16))
ORIENTATION = 0x0112
TURNED = {6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


@pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
@pytest.mark.parametrize("image", [RGB, RGB.convert("RGBA"), RGB.convert("L")])
def test_files_and_bytes(
    format: str, options: dict[str, Any], image: Image.Image, tmp_path: Path
) -> None:
    data = encoded(image, format, **options)
    (tmp_path / "picture.jpg").write_bytes(data)  # a name says nothing
    for source in (data, tmp_path / "picture.jpg", str(tmp_path / "picture.jpg")):
        assert as_rgb(open_picture(source)).tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_all_are_turned_upright(format: str, orientation: int) -> None:
    data = encoded(RGB.convert("L").convert("RGB"), format, exif=turned(orientation))
    with Image.open(BytesIO(data)) as plain:
        expected = plain.convert("L").transpose(TURNED[orientation])
        as_it_is = plain.copy()
    for image in (open_picture(data), as_it_is):  # also what somebody else has opened
        assert as_mask(image).tobytes() == expected.tobytes()
        assert (as_depth(image) == np.asarray(expected)).all()
        assert as_rgb(image).size == expected.size == (6, 4)


def test_sixteen_bits_are_read_to_the_last() -> None:
    image = open_picture(encoded(DEEP, exif=turned(6)))
    depth = as_depth(image)
    assert depth.dtype == np.float32
    assert (depth == np.rot90(np.asarray(DEEP), -1)).all()
    assert len(np.unique(depth)) == 24
    for shown in (as_mask(image), as_rgb(image).getchannel("G")):
        assert np.abs(np.asarray(shown) - depth / 257).max() <= 0.5


def test_what_is_transparent_lies_on_white_and_is_not_marked() -> None:
    layer = Image.new("RGBA", (3, 1), (0, 0, 0, 0))
    layer.putpixel((1, 0), (10, 20, 30, 255))
    layer.putpixel((2, 0), (0, 0, 0, 128))
    palette = Image.new("P", (2, 1))
    palette.info["transparency"] = 0
    assert list(as_rgb(layer).get_flattened_data()) == [(255,) * 3, (10, 20, 30), (127,) * 3]
    assert list(as_mask(layer).get_flattened_data()) == [0, 255, 128]
    assert list(as_rgb(open_picture(encoded(palette))).get_flattened_data()) == [(255,) * 3] * 2
    opaque = Image.new("RGBA", (1, 1), "white")
    assert list(as_mask(opaque).get_flattened_data()) == [255]
    assert list(as_mask(Image.new("1", (1, 1), 1)).get_flattened_data()) == [255]


@pytest.mark.parametrize("size", [(40, 24), (24, 40), (32, 32), (7, 50)])
@pytest.mark.parametrize("how", ["resize", "crop", "fill"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_fit(how: str, size: tuple[int, int], mode: str) -> None:
    y, x = np.mgrid[:60, :90]
    disc = ((x - 45) ** 2 + (y - 30) ** 2 < 20**2) * 100 + 100
    fitted = fit(Image.fromarray(disc.astype(np.uint8)).convert(mode), *size, how)
    assert fitted.size == size and fitted.mode == mode
    shown = np.asarray(fitted.convert("L"))
    assert shown.min() >= 70  # nothing is left black
    across, down = size[0] / 90, size[1] / 60
    if how != "resize":
        across = down = max(across, down) if how == "crop" else min(across, down)
    wide, high = ((shown > 150).any(axis).sum() for axis in (0, 1))
    assert abs(wide - min(40 * across, size[0])) <= 1.5
    assert abs(high - min(40 * down, size[1])) <= 1.5


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header tells of more than there is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def moving(format: str) -> bytes:
    return encoded(RGB, format, save_all=True, append_images=[RGB.rotate(180)])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a text", "is no PNG, JPEG or WebP picture, whatever it is called"),
        (b"", "is no PNG, JPEG or WebP"),
        (moving("GIF"), "is no PNG, JPEG or WebP"),
        (encoded(RGB, "BMP"), "is no PNG, JPEG or WebP"),
        (encoded(RGB, "TIFF"), "is no PNG, JPEG or WebP"),
        (moving("PNG"), "is animated"),
        (moving("WEBP"), "is animated"),
        (encoded(RGB.convert("CMYK"), "JPEG"), "is in CMYK"),
        (bomb(8000, 5001), "is 8000 x 5001 pixels, at most 40,000,000"),
        (bomb(60_000, 60_000), "more than 40,000,000 pixels"),
        (encoded(RGB)[:-30], "is damaged"),
        (encoded(RGB.resize((64, 64)), "JPEG")[:-200], "is damaged"),
        (encoded(RGB, "WEBP")[:-20], "is"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_refused(data: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(data)
    for source, name in ((data, "the picture"), (file, "picture.png")):
        with pytest.raises(PictureError) as caught:
            open_picture(source)
        assert words in str(caught.value) and name in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(PictureError, match=r"is not there|is damaged"):
            open_picture(path)


def test_modes_without_a_range() -> None:
    for mode in ("F", "I"):
        assert as_depth(Image.new(mode, (2, 2), 70000)).max() == 70000
        with pytest.raises(PictureError, match=f"mode {mode}"):
            as_rgb(Image.new(mode, (2, 2)))


def test_a_photograph_with_a_thumbnail_is_read() -> None:
    file = BytesIO()
    RGB.resize((32, 32)).save(file, "MPO", save_all=True, append_images=[RGB])
    assert open_picture(file.getvalue()).size == (32, 32)


def test_reading_pictures_needs_no_torch() -> None:
    code = "import engine.pictures, sys; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
