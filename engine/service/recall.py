"""What the file of a picture says of how it was made, by whichever app, as fields of a Request."""

import math
import operator
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

from PIL import Image

from engine.errors import EngineError, PictureError, RequestError
from engine.pictures import DAMAGE, FORMATS
from engine.pipelines.limits import LIMITS, check_number, check_text, is_whole
from engine.pipelines.request import Request
from engine.schedulers.registry import split_name
from engine.schedulers.schedule_types import type_named
from engine.service.foreign import READERS, Said, read_json_text
from engine.service.infotext import PARAMETERS
from engine.service.metadata import CHUNK

__all__ = ["Recalled", "recall"]

ODD = (EngineError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading comes upon where a file says something, but not in the form that it should have."""
LONGEST = 1_000
"""Characters of what is left out that are repeated."""
MANY = 2_000
"""Parts of a file before its pixels: Pillow takes long for very many."""
BARE = bytes((0x00, 0x01, *range(0xD0, 0xDA)))
"""Markers of a JPEG that are a segment by themselves."""
COMMENT = 0x9286
"""EXIF tag of the user's comment, where JPEG and WebP hold the text of AUTOMATIC1111."""
DESCRIPTION = 0x010E
"""EXIF tag of what a picture shows, where JPEG and WebP of ours hold the record."""
EXIF = 0x8769


@dataclass(frozen=True)
class Recalled:
    """app: that wrote it. settings: fields of a Request that it says, each within its limits; of a
    picture of ours all that its record holds. left_out: what it says besides, and in brackets why
    it is not among them where it could be. index: which image of the run the picture is: one of
    ours that was drawn with others at once is the same to the bit only with them."""

    app: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    index: int = 0


def recall(data: bytes) -> Recalled:
    """Read the file of a picture: PNG, JPEG or WebP. Its pixels are not decoded.

    Raises PictureError for what is no such file, or says nothing of how it was made.
    """
    texts = _texts(data)
    if record := read_json_text(texts.get(CHUNK)):
        with suppress(*ODD):  # of another version, or changed by hand: it may have the other text
            return _ours(record)
    for reader in READERS:
        with suppress(*ODD):
            if said := reader(texts):
                return _fitted(said)
    raise PictureError(
        "the picture does not say how it was made: choose one that an app has saved itself, not a "
        "copy from a chat or a website, which often take that out."
    )


def _ours(record: Mapping[str, Any]) -> Recalled:
    """Raises one of many errors where the record is none of this version."""
    alone, batch = Request.from_dict(record["request"]), record["batch"]
    if batch["count"] == 1:
        return Recalled("Stepwise", alone.check().used())
    whole = replace(
        alone,
        count=batch["count"],
        batch_size=batch["count"],
        seed=batch["seed"],
        variation_seed=batch["variation_seed"],
    ).check()
    index = operator.index(batch["index"])
    if index not in range(whole.count) or whole.part(index, 1) != replace(
        alone, batch_size=whole.batch_size
    ):
        raise RequestError("the batch of the picture is not one that it can be of.")
    return Recalled("Stepwise", whole.used(), index=index)


def _texts(data: bytes) -> dict[str, str]:
    if _parts(data) > MANY:
        raise PictureError(f"the file of the picture has more than {MANY:,} parts: save it anew.")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            texts = {str(k): v for k, v in image.info.items() if isinstance(v, str)}
            # a PNG says it in its texts, and would be decoded to be asked for EXIF
            exif = Image.Exif() if image.format == "PNG" else image.getexif()
            comment, record = exif.get_ifd(EXIF).get(COMMENT), exif.get(DESCRIPTION)
    except DAMAGE as error:
        raise PictureError(f"the picture cannot be read: {error}") from None
    except Image.DecompressionBombError as error:
        raise PictureError(f"the picture is too large: {error}") from None
    if isinstance(comment, bytes) and PARAMETERS not in texts:
        texts[PARAMETERS] = _comment(comment)
    if isinstance(record, str):
        texts.setdefault(CHUNK, record)
    return texts


def _parts(data: bytes) -> int:
    """How many chunks a PNG has before its pixels, or segments a JPEG; little more than `MANY` of
    them are counted."""
    found = 0
    if data.startswith(b"\x89PNG"):
        place = 8
        while place < len(data) and data[place + 4 : place + 8] != b"IDAT" and found <= MANY:
            place += 12 + int.from_bytes(data[place : place + 4])
            found += 1
    elif data.startswith(b"\xff\xd8"):
        place = 2
        while data[place : place + 1] == b"\xff" and found <= MANY:
            marker = data[place + 1 : place + 2]
            if marker == b"\xda":  # the pixels follow
                break
            size = int.from_bytes(data[place + 2 : place + 4])
            place += 1 if marker == b"\xff" else 2 if marker in BARE else 2 + size
            found += 1
    return found


def _comment(data: bytes) -> str:
    """Eight bytes name the encoding; UTF-16 comes in either order of bytes."""
    kind, text = data[:8].rstrip(b"\0"), data[8:]
    if kind != b"UNICODE":
        return text.decode("utf-8", "replace")
    told = [text.decode(order, "replace") for order in ("utf-16-be", "utf-16-le")]
    return next((one for one in told if "Steps: " in one), told[0]).lstrip("\ufeff")


def _fitted(said: Said) -> Recalled:
    """What a Request takes of it."""
    left = {name: _shortened(value) for name, value in said.other.items()}
    settings: dict[str, Any] = {}
    sampler, schedule = said.settings.pop("sampler", None), said.settings.pop("schedule", None)
    for name, value in said.settings.items():
        try:
            settings[name] = _field(name, value)
        except RequestError as error:
            left[name] = f"{_shortened(value)} ({error})"
    for name, value, read in (("sampler", sampler, _sampler), ("schedule", schedule, _schedule)):
        if value is not None:
            try:
                settings |= read(str(value))
            except EngineError:
                left[name] = f"{_shortened(value)} (there is none of this name here)"
    if settings.get("strength") == 1:  # nothing is left of a picture that it could begin with
        del settings["strength"]
    return Recalled(said.app, settings, left)


def _field(name: str, value: Any) -> Any:
    """A value as the field takes it. Raises RequestError."""
    if name not in LIMITS:
        check_text(name, value)
        return value
    number = value
    if isinstance(value, str):
        try:
            number = float(value) if len(value) <= 40 else math.nan
            number = int(value) if re.fullmatch(r"\s*[+-]?\d{1,40}\s*", value) else number
        except ValueError:
            raise RequestError(f"{name} is no number.") from None
    if is_whole(name) and isinstance(number, float) and number.is_integer():
        number = int(number)
    check_number(name, number)
    return number


def _sampler(name: str) -> dict[str, str]:
    """scheduler, and schedule_type where the name holds it: "DPM++ 2M Karras", "dpmpp_2m_k"."""
    plain = name.strip().lower().removesuffix("_gpu").removesuffix("_cpu")
    kind = ""
    if plain.endswith("_k"):
        plain, kind = plain.removesuffix("_k"), "Karras"
    sampler, named = split_name(plain)
    return {"scheduler": sampler} | ({"schedule_type": kind or named} if kind or named else {})


def _schedule(name: str) -> dict[str, str]:
    kind = type_named(name)
    return {"schedule_type": kind} if kind else {}


def _shortened(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
