"""What a PNG says about itself: everything needed to make it again."""

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.pictures import DAMAGE
from engine.pipelines.request import Request
from engine.service.foreign import read_json_text
from engine.service.infotext import PARAMETERS

__all__ = ["CHUNK", "describe", "encode_png", "read_request"]

CHUNK = "stepwise"


def describe(
    request: Request, *, index: int, size: tuple[int, int], made: Mapping[str, Any]
) -> dict[str, Any]:
    """Record of image `index` of those that were drawn at once.

    request: for all of these, with the changes that took effect; the record holds the request of
    this image alone, without the fields that its task does not use.
    size: (width, height) in pixels at which it was drawn, in place of zeros that mean the model's
        own.
    made: how: config of the scheduler that the run began with, versions, device, dtype; hashes of
        the weights, and the revision of the Hub if it is known.
    """
    alone = dataclasses.replace(request.part(index, 1), batch_size=1, width=size[0], height=size[1])
    return {
        "request": alone.used(),
        # Sums over a batch may round differently, so to the bit it needs the batch as it was.
        "batch": {
            "index": index,
            "count": request.count,
            "seed": request.seed,
            "variation_seed": request.variation_seed,
        },
        **made,
    }


def read_request(path: Path) -> Mapping[str, Any]:
    """The fields of the request in the record of a PNG of ours; none where there is no such record,
    or none that can be read."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            record = read_json_text(image.info.get(CHUNK))
    except (*DAMAGE, Image.DecompressionBombError):
        return {}
    asked = (record or {}).get("request")
    return asked if isinstance(asked, dict) else {}


def encode_png(image: Image.Image, record: Mapping[str, Any], infotext: str = "") -> bytes:
    """PNG of `image` with `record` as JSON (ASCII only) in a tEXt chunk.

    infotext: as `write_infotext` has it, for a chunk of its own if there is any.
    """
    info = PngInfo()
    if infotext:
        info.add_text(PARAMETERS, infotext)
    info.add_text(CHUNK, json.dumps(record, default=str, allow_nan=False))
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=info)
    return file.getvalue()
