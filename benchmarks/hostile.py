"""How long the metadata of files takes to read that were made to do harm, and how much memory.

Prints the slowest and the largest of them. Run it from the root of the repository:

    python -m benchmarks.hostile
"""

import argparse
import contextlib
import json
import platform
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.errors import PictureError
from engine.service.recall import recall

SECONDS, MEMORY = 1.0, 64 * 2**20
"""The most that a file may take."""
NAMES = ("stepwise", "parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata")


def png(texts: Mapping[str, str]) -> bytes:
    """A small picture with texts."""
    info, file = PngInfo(), BytesIO()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def _jpeg() -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    return file.getvalue()


def _with(*chunks: tuple[bytes, bytes]) -> bytes:
    """A small picture with chunks behind its header."""
    whole = png({})
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return whole[:33] + b"".join(packed) + whole[33:]


def hostile() -> Iterator[tuple[str, bytes]]:
    """What each of the files is, and its bytes."""
    yield "200,000 chunks", _with(*[(b"tEXt", b"a\0b")] * 200_000)
    yield "200,000 names", _with(*((b"tEXt", b"%d\0b" % n) for n in range(200_000)))
    yield "200,000 iTXt", _with(*((b"iTXt", b"%d\0\0\0\0\0b" % n) for n in range(200_000)))
    yield "infotext of 1 MB", _with((b"tEXt", b"parameters\0" + b"a:{" * 330_000))
    yield "many settings", _with((b"tEXt", b"parameters\0a\n" + b"a: 1, " * 160_000))
    yield (
        "settings apart",
        png({"parameters": "a\n" + ", ".join(f"k{n}: {n}" for n in range(60_000))}),
    )
    yield "broken UTF-8", _with((b"tEXt", b"parameters\0" + b"\xff\xfe" * 500_000))
    yield "broken iTXt", _with((b"iTXt", b"prompt\0\0\0\0\0" + b"\xff" * 1000))
    yield "a bomb", _with((b"zTXt", b"prompt\0\0" + zlib.compress(b"[" * 50_000_000)))
    bomb = zlib.compress(b"[" * 1_000_000)
    yield "many bombs", _with(*((b"zTXt", b"prompt%d\0\0" % n + bomb) for n in range(100)))
    yield "broken zTXt", _with((b"zTXt", b"prompt\0\0broken"))
    yield "a large EXIF", _with((b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + b"\x86\x92" * 500_000))
    segment = b"\xff\xe1\0\x14Exif\0\0" + bytes(12)
    yield "200,000 segments", b"\xff\xd8" + segment * 200_000 + _jpeg()[2:]
    yield "a padded JPEG", b"\xff\xd8" + b"\xff" * 4_000_000 + _jpeg()[2:]
    yield "brackets", png({"sd-metadata": json.dumps({"image": {"prompt": "[a]" * 300_000}})})
    yield "odd record", png({"stepwise": '{"request": ["model"], "batch": {"count": 1}}'})
    yield "cut off", png({})[:40]
    wide = {
        "lists": "[" + "[]," * 330_000 + "1]",
        "nodes": "{" + ",".join(f'"{n}":{{}}' for n in range(90_000)) + "}",
        "numbers": '{"seed":' + "9" * 900_000 + "}",
        "deep lists": "[" * 500_000,
        "deep objects": '{"a":' * 190_000,
        "NaN": '{"seed": NaN, "steps": 1e999}',
        "null": "null",
    }
    for name, text in wide.items():
        yield f"JSON: {name}", png(dict.fromkeys(NAMES, text))
    yield "a graph in a circle", png({"prompt": json.dumps(_circle(9_000))})
    pick, whole = random.Random(0), png(dict.fromkeys(NAMES, json.dumps(_circle(9))))
    for number in range(100):
        data = bytearray(whole)
        for _ in range(pick.randint(1, 20)):
            data[pick.randrange(len(data))] = pick.randrange(256)
        yield f"bytes changed, {number}", bytes(data)


def _circle(nodes: int) -> dict[str, object]:
    """A prompt of ComfyUI whose nodes are made from each other."""
    kinds = ("KSampler", "CLIPTextEncode", "LoraLoader")
    return {
        str(n): {
            "class_type": kinds[n % 3],
            "inputs": {"positive": [str((n + 1) % nodes), 0], "text": [str((n * 7) % nodes), 0],
                       "model": [str(n), 0], "seed": [str((n + 1) % nodes), 0]},
        }
        for n in range(nodes)
    }  # fmt: skip


def _read(data: bytes) -> None:
    with contextlib.suppress(PictureError):
        recall(data)


def measure(data: bytes) -> tuple[float, int]:
    """Seconds, and at most how many bytes beside the file, that reading it takes."""
    began = time.perf_counter()
    _read(data)
    seconds = time.perf_counter() - began
    tracemalloc.start()
    try:
        _read(data)
        return seconds, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def over(took: Mapping[str, tuple[float, int]]) -> list[str]:
    """Names of those that took more than they may."""
    return [name for name, (long, much) in took.items() if long > SECONDS or much > MEMORY]


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, read each, print the worst; returns how many took too much."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--most", type=int, default=5, help="how many of the worst to print")
    options = parser.parse_args(arguments)
    print(f"{platform.platform()}, Python {platform.python_version()}, Pillow {Image.__version__}")
    took = {name: measure(data) for name, data in hostile()}
    for unit, place, size in (("ms", 0, 1e-3), ("MB", 1, 2**20)):
        print(f"\nmost {unit} of {len(took)} files")
        worst = sorted(took.items(), key=lambda one: -one[1][place])[: options.most]
        for name, figures in worst:
            print(f"{figures[place] / size:10.1f} {unit}  {name}")
    return len(over(took))


if __name__ == "__main__":
    raise SystemExit(main())
