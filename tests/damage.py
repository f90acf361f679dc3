"""Ways to spoil a checkpoint, each with the words that its error must hold."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

__all__ = ["DAMAGES", "SPOILT"]

INDEX = "model_index.json"
UNET = "diffusion_pytorch_model.safetensors"


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
