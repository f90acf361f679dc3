"""Ways to spoil a checkpoint, each with the words that its error must hold."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from engine.checkpoints.weights import write_weights

__all__ = ["DAMAGES", "SPOILT"]

INDEX = "model_index.json"
STEM = "diffusion_pytorch_model"
UNET = f"{STEM}.safetensors"
SHARDS = f"{UNET}.index.json"


def truncate(folder: Path) -> None:
    path = folder / "unet" / UNET
    path.write_bytes(path.read_bytes()[:-1000])


def misshape(folder: Path) -> None:
    path = folder / "unet" / UNET
    save_file(load_file(path) | {"conv_in.weight": torch.zeros(3, 3)}, path)


def drop_tensor(folder: Path) -> None:
    path = folder / "vae" / UNET
    tensors = load_file(path)
    del tensors["decoder.conv_in.bias"]
    save_file(tensors, path)


def drop_text_tensor(folder: Path) -> None:
    path = folder / "text_encoder" / "model.safetensors"
    save_file(dict(list(load_file(path).items())[1:]), path, {"format": "pt"})


def point_to_lfs(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = next((folder / name).glob("*.safetensors"))
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")

    return damage


def only_bin(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = next((folder / name).glob("*.safetensors"))
        path.rename(path.with_name("pytorch_model.bin"))

    return damage


def shard(folder: Path) -> list[Path]:
    """Divide the weights of the UNet; returns the parts, of which there are several."""
    path = folder / "unet" / UNET
    write_weights(path.parent, STEM, load_file(path), max_shard_size=path.stat().st_size // 2)
    return sorted(path.parent.glob("*.safetensors"))


def lose_shard(folder: Path) -> None:
    shard(folder)[1].unlink()


def truncate_shard(folder: Path) -> None:
    path = shard(folder)[1]
    path.write_bytes(path.read_bytes()[:-1000])


def repeat_tensor(folder: Path) -> None:
    first, second, *_ = shard(folder)
    save_file(load_file(second) | dict(list(load_file(first).items())[:1]), second)


def write_index(folder: Path, text: str) -> None:
    shard(folder)
    (folder / "unet" / SHARDS).write_text(text)


def name_shard(name: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        write_index(folder, json.dumps({"weight_map": {"conv_in.weight": name}}))

    return damage


def break_index(folder: Path) -> None:
    (folder / INDEX).write_text("{")


def no_vocabulary(folder: Path) -> None:
    for name in ("vocab.json", "tokenizer.json"):
        (folder / "tokenizer" / name).unlink(missing_ok=True)


def edit(path: str, **changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        values = json.loads((folder / path).read_text()) | changes
        (folder / path).write_text(json.dumps(values))

    return damage


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: shutil.rmtree(folder / name)


DAMAGES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "truncated": (truncate, ["unet", UNET, "truncated", "again"]),
    "wrong shape": (misshape, ["conv_in.weight", "[3, 3]", "[16, 4, 3, 3]", UNET]),
    "missing tensor": (drop_tensor, ["decoder.conv_in.bias", "1 tensors are missing"]),
    "missing text tensor": (drop_text_tensor, ["model.safetensors", "missing"]),
    "LFS pointer": (point_to_lfs("unet"), [UNET, "Git LFS pointer", "git lfs pull"]),
    "LFS pointer of the text": (point_to_lfs("text_encoder"), ["model.safetensors", "git lfs"]),
    "lost shard": (lose_shard, ["00002-of-", SHARDS, "missing", "again"]),
    "truncated shard": (truncate_shard, ["00002-of-", "truncated", "again"]),
    "tensor in two shards": (repeat_tensor, ["00002-of-", "conv_in", "second time"]),
    "shard elsewhere": (name_shard(f"../vae/{UNET}"), [SHARDS, f"../vae/{UNET}", "beside it"]),
    "shard of another format": (name_shard("x.bin"), [SHARDS, "x.bin", "only safetensors"]),
    "shard that is no name": (name_shard(7), [SHARDS, "7", "only safetensors"]),
    "index of no shards": (lambda f: write_index(f, "{}"), [SHARDS, "weight_map"]),
    "broken index of shards": (lambda f: write_index(f, "["), [SHARDS, "JSON"]),
    "only .bin": (only_bin("vae"), ["pytorch_model.bin", "run code"]),
    "only .bin of the text": (only_bin("text_encoder"), ["pytorch_model.bin", "run code"]),
    "no unet folder": (remove("unet"), ["unet", "missing"]),
    "no tokenizer folder": (remove("tokenizer"), ["tokenizer", "missing"]),
    "no vocabulary": (no_vocabulary, ["vocab.json", "missing"]),
    "no index": (lambda f: (f / INDEX).unlink(), [INDEX, "missing"]),
    "broken index": (break_index, [INDEX, "JSON"]),
    "unknown pipeline": (edit(INDEX, _class_name="DancePipeline"), ["DancePipeline", "supported"]),
    "unknown class": (edit(INDEX, unet=["x", "os.system"]), ["unet", "os.system", "supported"]),
    "no unet in the index": (edit(INDEX, unet=[None, None]), [INDEX, "unet"]),
    "unknown block": (
        edit("unet/config.json", down_block_types=["MagicBlock", "DownBlock2D"]),
        ["MagicBlock", "CrossAttnDownBlock2D"],
    ),
    "unsupported setting": (
        edit("unet/config.json", class_embed_type="timestep"),
        ["class_embed_type", "timestep"],
    ),
    "nonsense setting": (edit("unet/config.json", block_out_channels=[16, "x"]), ["unet"]),
    "groups that do not divide": (edit("unet/config.json", norm_num_groups=7), ["unet"]),
}

SPOILT = ("LFS pointer", "no unet folder", "only .bin", "truncated", "unknown class", "wrong shape")
"""Those that stand for all where each one costs seconds."""
