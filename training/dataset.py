"""Scenes drawn once into shards: uint8 pictures in safetensors, their scenes as JSON beside them.

python -m training.dataset --scenes 40000 --workers 2
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.render import render
from training.scene import Scene, Solid, sample_scenes

__all__ = ["DATA", "load_shards", "make_shard", "to_bytes", "to_pixels"]

DATA = Path("training/runs/data")
_SHARD = 1000
_CHUNK = 20


def to_bytes(images: Tensor) -> Tensor:
    """Pictures in 0..1 to uint8."""
    return (images * 255).round().to(torch.uint8)


def to_pixels(images: Tensor) -> Tensor:
    """uint8 pictures to float32 in -1..1, what the autoencoder reads."""
    return images.float() / 127.5 - 1


def make_shard(folder: Path, number: int, scenes: int, size: int) -> Path:
    """Draw one shard, unless it is there; the shard's number is its seed."""
    path = folder / f"{number:04d}.safetensors"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    drawn = sample_scenes(scenes, seed=number)
    images = [
        to_bytes(render(drawn[first : first + _CHUNK], size).images)
        for first in range(0, scenes, _CHUNK)
    ]
    path.with_suffix(".json").write_text(json.dumps([asdict(scene) for scene in drawn]))
    partial = path.with_suffix(f".{os.getpid()}")
    save_file({"images": torch.cat(images)}, partial)
    partial.replace(path)
    return path


def _scene(fields: dict) -> Scene:
    return Scene(
        tuple(Solid(**solid) for solid in fields["solids"]), fields["floor"], fields["background"]
    )


def load_shards(folder: Path) -> tuple[Tensor, list[Scene]]:
    """All pictures `(N, 3, H, W)` uint8 of a folder, and their scenes."""
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise FileNotFoundError(f"no shards in {folder}: run python -m training.dataset first")
    images = torch.cat([load_file(path)["images"] for path in paths])
    return images, [scene for path in paths for scene in _scenes(path.with_suffix(".json"))]


def _scenes(path: Path) -> Iterator[Scene]:
    return map(_scene, json.loads(path.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=40000)
    parser.add_argument("--size", type=int, default=64, help="pixels along an edge")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=DATA)
    options = parser.parse_args()
    numbers = range(-(-options.scenes // _SHARD))
    begun = time.perf_counter()
    with ProcessPoolExecutor(
        options.workers, initializer=torch.set_num_threads, initargs=(1,)
    ) as p:
        jobs = [p.submit(make_shard, options.folder, n, _SHARD, options.size) for n in numbers]
        for done, job in enumerate(jobs, 1):
            path = job.result()
            seconds = time.perf_counter() - begun
            print(f"{path} {done}/{len(jobs)} {done * _SHARD / seconds:.0f} scenes/s", flush=True)


if __name__ == "__main__":
    main()
