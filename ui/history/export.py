"""Pictures for people to take along: as they are, or as WebP or JPEG, one or many."""

import io
import secrets
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

from PIL import Image

from engine.errors import EngineError
from engine.service.infotext import PARAMETERS
from engine.service.metadata import CHUNK
from engine.service.recall import COMMENT, DESCRIPTION, EXIF

__all__ = ["FOLDER", "FORMATS", "encoded", "pack"]

PACKING = Lock()
"""One at a time: it takes the processor, and room on the disk."""
FORMATS = {"PNG": ".png", "WebP": ".webp", "JPEG": ".jpg"}
FOLDER = "exports"
"""Beside the days of an owner; the latest lies there."""
ROOM = 30_000
"""Characters of a record: EXIF takes 65,533 bytes in a JPEG, of which the text takes some."""


def encoded(path: Path, kind: str, bare: bool) -> bytes:
    """The file of a picture in one of `FORMATS`.

    A PNG is the file as it lies on disk. WebP and JPEG hold the text of AUTOMATIC1111 as EXIF's
    comment, where that app and its readers look for it, and our own record as its description if
    there is room. bare: leave out how it was made. Raises OSError, and ValueError for what the
    format does not hold.
    """
    if kind == "PNG" and not bare:
        return path.read_bytes()
    file = io.BytesIO()
    with Image.open(path, formats=("PNG",)) as image:
        image.load()
        exif = Image.Exif()
        if not bare and (text := image.info.get(PARAMETERS)):
            exif.get_ifd(EXIF)[COMMENT] = b"UNICODE\0" + str(text).encode("utf-16-be")
        if not bare and len(record := str(image.info.get(CHUNK, ""))) < ROOM:
            exif[DESCRIPTION] = record
        plain = image.convert("RGB")
    how = {} if kind == "PNG" else {"quality": 92, "exif": exif}
    plain.save(file, kind, **how)
    return file.getvalue()


def pack(paths: Sequence[Path], kind: str, bare: bool, folder: Path) -> Path:
    """Write a picture, or a ZIP of several, into `folder`, and return its path.

    What was written there before is deleted. Raises EngineError.
    """
    ending = FORMATS[kind]
    name = f"stepwise-{secrets.token_urlsafe(8)}{ending if len(paths) == 1 else '.zip'}"
    with PACKING:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.iterdir():
                old.unlink(missing_ok=True)
            _write(folder / name, paths, kind, bare)
        except (OSError, ValueError) as error:
            with suppress(OSError):
                (folder / name).unlink()
            why = getattr(error, "strerror", None) or error
            raise EngineError(
                f"The pictures cannot be packed as {kind}: {why}. Another format may do."
            ) from error
    return folder / name


def _write(whole: Path, paths: Sequence[Path], kind: str, bare: bool) -> None:
    if len(paths) == 1:
        whole.write_bytes(encoded(paths[0], kind, bare))
        return
    with zipfile.ZipFile(whole, "w") as archive:  # pictures are compressed already
        for path in paths:
            archive.writestr(f"{path.stem}{FORMATS[kind]}", encoded(path, kind, bare))
