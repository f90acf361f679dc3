"""Scenes drawn once into shards: pictures, masks and depth in safetensors, scenes as JSON beside.

python -m training.dataset --scenes 16000
python -m training.dataset --scenes 4000 --every-pair --folder training/runs/judge-data
python -m training.dataset --pictures my-pictures --folder training/runs/mine

Pictures of one's own are PNG, JPEG or WebP, each with its caption in a .txt file of the same name.
"""

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from training.render import SIZE, render_all
from training.scene import Scene, Solid, sample_scenes

__all__ = [
    "DATA",
    "Told",
    "import_pictures",
    "load_scenes",
    "load_shards",
    "make_shard",
    "number_solids",
    "to_bytes",
    "to_pixels",
]

DATA = Path("training/runs/data")
Told = Scene | str
"""What a picture shows: a scene, of which much can be said, or the caption of one's own picture."""
_SHARD = 1000
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
# Seeds of shards with every pair of colour and shape, apart from those of the others.
_EVERY_PAIR = 10**5


def to_bytes(images: Tensor) -> Tensor:
    """Pictures in 0..1 to uint8."""
    return (images * 255).round().to(torch.uint8)


def to_pixels(images: Tensor) -> Tensor:
    """uint8 pictures to float32 in -1..1, what the autoencoder reads."""
    return images.float() / 127.5 - 1


def make_shard(folder: Path, number: int, scenes: int, size: int, every_pair: bool = False) -> Path:
    """Draw one shard, unless it is there; the shard's number is its seed.

    It holds `images` (N, 3, size, size) uint8, `solids` (N, size, size) uint8 as `number_solids`
    makes them, and `depth` (N, size, size) float16, in scene units.
    """
    path = folder / f"{number:04d}.safetensors"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    drawn = sample_scenes(scenes, seed=number + _EVERY_PAIR * every_pair, held_out=every_pair)
    views = render_all(drawn, size)
    path.with_suffix(".json").write_text(json.dumps([asdict(scene) for scene in drawn]))
    partial = path.with_suffix(f".{os.getpid()}")
    tensors = {
        "images": to_bytes(views.images),
        "solids": number_solids(views.masks),
        "depth": views.depth.half(),
    }
    save_file(tensors, partial)
    partial.replace(path)
    return path


def number_solids(masks: Tensor) -> Tensor:
    """Masks (N, K, H, W) as one map (N, H, W) uint8: k + 1 where solid k is, 0 where none is."""
    numbers = torch.arange(1, masks.shape[1] + 1, dtype=torch.uint8)
    return (masks * numbers[:, None, None]).sum(1).to(torch.uint8)


def import_pictures(source: Path, folder: Path, size: int) -> int:
    """Write one's own pictures, cut to squares of `size` pixels, as shards; returns how many.

    Raises ValueError where a picture has no caption or there is none.
    """
    paths = sorted(path for path in source.iterdir() if path.suffix.lower() in _ENDINGS)
    if not paths:
        raise ValueError(f"{source} holds no pictures: put PNG, JPEG or WebP files there")
    folder.mkdir(parents=True, exist_ok=True)
    for number, first in enumerate(range(0, len(paths), _SHARD)):
        images, captions = [], []
        for path in paths[first : first + _SHARD]:
            text = path.with_suffix(".txt")
            if not text.exists() or not text.read_text().strip():
                raise ValueError(f"{path} has no caption: write it into {text}")
            with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
                upright = ImageOps.exif_transpose(image).convert("RGB")
            square = ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS)
            images.append(torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1))
            captions.append(text.read_text().strip())
        shard = folder / f"{number:04d}.safetensors"
        save_file({"images": torch.stack(images)}, shard)
        shard.with_suffix(".json").write_text(json.dumps(captions))
    return len(paths)


def _told(fields: dict | str) -> Told:
    if isinstance(fields, str):
        return fields
    return Scene(**fields | {"solids": tuple(Solid(**solid) for solid in fields["solids"])})


def _paths(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise FileNotFoundError(f"no shards in {folder}: run python -m training.dataset first")
    return paths


def load_shards(folder: Path, name: str = "images") -> Tensor:
    """One of the tensors of all shards of a folder: `images`, `solids` or `depth`."""
    parts = []
    for path in _paths(folder):
        with safe_open(path, "pt") as file:
            parts.append(file.get_tensor(name))
    return torch.cat(parts)


def load_scenes(folder: Path) -> list[Any]:
    """What the pictures of all shards of a folder show, in their order: all scenes or captions."""
    files = (path.with_suffix(".json") for path in _paths(folder))
    return [_told(fields) for file in files for fields in json.loads(file.read_text())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=16000)
    parser.add_argument("--size", type=int, default=SIZE, help="pixels along an edge")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, default=DATA)
    parser.add_argument(
        "--every-pair", action="store_true", help="colours and shapes kept from training as well"
    )
    parser.add_argument("--pictures", type=Path, help="folder of pictures to take in their place")
    options = parser.parse_args()
    if options.pictures:
        total = import_pictures(options.pictures, options.folder, options.size)
        print(f"{total} pictures in {options.folder}")
        return
    numbers = range(-(-options.scenes // _SHARD))
    begun = time.perf_counter()
    with ProcessPoolExecutor(
        options.workers, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        jobs = [
            pool.submit(
                make_shard, options.folder, number, _SHARD, options.size, options.every_pair
            )
            for number in numbers
        ]
        for done, job in enumerate(jobs, 1):
            path = job.result()
            seconds = time.perf_counter() - begun
            left = seconds / done * (len(jobs) - done) / 60
            rate = done * _SHARD / seconds
            print(f"{path} {done}/{len(jobs)} {rate:.0f} scenes/s, {left:.0f} min left", flush=True)


if __name__ == "__main__":
    main()
