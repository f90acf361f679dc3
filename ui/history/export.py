"""Pictures for people to take along: as they are, or as WebP or JPEG, one or many."""

import io
import secrets
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from engine.errors import EngineError
from engine.service.infotext import PARAMETERS
from engine.service.recall import COMMENT, EXIF

__all__ = ["FOLDER", "FORMATS", "encoded", "pack"]

FORMATS = {"PNG": ".png", "WebP": ".webp", "JPEG": ".jpg"}
FOLDER = "exports"
"""Beside the days of an owner; what lies there is looked at for `LASTS` seconds."""
LASTS = 3600


def encoded(path: Path, kind: str, bare: bool) -> bytes:
    """The file of a picture in one of `FORMATS`.

    A PNG is the file as it lies on disk. WebP and JPEG hold the text of AUTOMATIC1111 as EXIF's
    comment, where that app and its readers look for it. bare: leave out how it was made. Raises
    OSError.
    """
    if kind == "PNG" and not bare:
        return path.read_bytes()
    file = io.BytesIO()
    with Image.open(path, formats=("PNG",)) as image:
        image.load()
        exif = Image.Exif()
        if not bare and (text := image.info.get(PARAMETERS)):
            exif.get_ifd(EXIF)[COMMENT] = b"UNICODE\0" + str(text).encode("utf-16-be")
        plain = image.convert("RGB")
    if kind == "PNG":
        plain.save(file, "PNG")
    elif kind == "WebP":
        plain.save(file, "WEBP", quality=92, exif=exif)
    else:
        plain.save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


def pack(paths: Sequence[Path], kind: str, bare: bool, folder: Path) -> Path:
    """Write a picture, or a ZIP of several, into `folder`, and return its path.

    What was written there long ago is deleted. Raises EngineError.
    """
    ending = FORMATS[kind]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if old.stat().st_mtime < time.time() - LASTS:
                old.unlink(missing_ok=True)
        name = f"stepwise-{secrets.token_urlsafe(8)}"
        if len(paths) == 1:
            whole = folder / f"{name}{ending}"
            whole.write_bytes(encoded(paths[0], kind, bare))
            return whole
        whole = folder / f"{name}.zip"
        with zipfile.ZipFile(whole, "w") as archive:  # pictures are compressed already
            for path in paths:
                archive.writestr(f"{path.stem}{ending}", encoded(path, kind, bare))
        return whole
    except OSError as error:
        raise EngineError(f"The pictures cannot be packed: {error.strerror or error}.") from error
