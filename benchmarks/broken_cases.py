"""Broken variants of a small checkpoint, of every class of fault that a file can have."""

import io
import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.damage import DAMAGES, edit

__all__ = ["Broken", "broken", "fuzzed"]

INDEX = "model_index.json"
STEM = "diffusion_pytorch_model"
WEIGHTS = f"{STEM}.safetensors"
UNET, VAE = Path("unet", WEIGHTS), Path("vae", WEIGHTS)
TEXT = Path("text_encoder", "model.safetensors")
FILES = (UNET, VAE, TEXT)
CONFIGS = ("unet/config.json", "vae/config.json", "text_encoder/config.json",
           "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json")  # fmt: skip
Damage = Callable[[Path], None]


@dataclass(frozen=True)
class Broken:
    """damage: spoils a checkpoint in a folder. words: what the error has to say, the file first."""

    kind: str
    name: str
    damage: Damage
    words: tuple[str, ...]


def broken() -> Iterator[Broken]:
    """All of them."""
    for name, (damage, words) in DAMAGES.items():
        yield Broken("checkpoint", name, damage, tuple(words))
    for make in (_lengths, _headers, _entries, _places, _names, _cuts, _contents, _no_files,
                 _formats, _tensors, _json, _settings, _classes, _shards, _tokenizers):  # fmt: skip
        yield from make()


def write_raw(path: Path, header: object, data: bytes = b"", length: int | None = None) -> None:
    """A file as safetensors are laid out. header: bytes, or what becomes JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = (len(text) if length is None else length).to_bytes(8, "little")
    path.unlink(missing_ok=True)
    path.write_bytes(size + text + data)


def read_raw(path: Path) -> tuple[dict[str, Any], bytes]:
    """Header and tensors of a file."""
    whole = path.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    return json.loads(whole[8:end]), whole[end:]


def _with(file: Path, content: bytes) -> Damage:
    def damage(folder: Path) -> None:
        (folder / file).unlink(missing_ok=True)
        (folder / file).write_bytes(content)

    return damage


def _header(change: Callable[[dict[str, Any]], object], file: Path = UNET) -> Damage:
    """change: is given the header, and returns what takes its place, or None for itself."""

    def damage(folder: Path) -> None:
        header, data = read_raw(folder / file)
        made = change(header)
        write_raw(folder / file, header if made is None else made, data)

    return damage


def _lengths() -> Iterator[Broken]:
    said = {"past the end": 10**6, "100 MB and one": 10**8 + 1, "negative": 2**64 - 1,
            "of 2**63": 2**63, "nothing": 0, "one": 1, "cut": 900}  # fmt: skip
    for name, length in said.items():

        def damage(folder: Path, length: int = length) -> None:
            write_raw(folder / UNET, *read_raw(folder / UNET), length=length)

        yield Broken("length", name, damage, (WEIGHTS, "damaged"))


def _headers() -> Iterator[Broken]:
    texts: dict[str, bytes] = {
        "no JSON": b"{",
        "two objects": b"{}{}",
        "not UTF-8": b'{"\xff": 1}',
        "UTF-16": '{"a": 1}'.encode("utf-16"),
        "a mark of UTF-8": b"\xef\xbb\xbf{}",
        "a list": b"[]",
        "null": b"null",
        "a blank before it": b" {}",
        "a trailing comma": b'{"a": 1,}',
        "infinity": b'{"a": Infinity}',
        "not a number": b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 4]}}',
        "5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
        "100,000 deep": b'{"a": ' + b"[" * 100_000,
        "5,000,000 lists": b'{"a": [' + b"[]," * 5_000_000 + b"[]]}",
        "1,000,000 texts": b'{"__metadata__": {' + b'"a":"b",' * 1_000_000 + b'"c":"d"}}',
        "metadata of numbers": b'{"__metadata__": {"a": 1}}',
        "metadata in metadata": b'{"__metadata__": {"a": {"b": "c"}}}',
        "metadata that is a list": b'{"__metadata__": []}',
        "metadata twice": b'{"__metadata__": {}, "__metadata__": {}}',
        "a key of metadata twice": b'{"__metadata__": {"a": "b", "a": "c"}}',
        "zeros": bytes(5000),
    }
    for name, text in texts.items():
        cause = "parts" if "000,000" in name else "damaged"
        yield Broken("header", name, lambda f, t=text: write_raw(f / UNET, t), (WEIGHTS, cause))  # type: ignore[misc]

    def many(header: dict[str, Any]) -> dict[str, Any]:
        return {
            f"{n}": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]} for n in range(12_000)
        }

    yield Broken("header", "12,000 tensors", _header(many), (WEIGHTS, "12,000 tensors"))
    for key in ("conv_in.bias", "dtype"):

        def twice(header: dict[str, Any], key: str = key) -> bytes:
            text = json.dumps(header).replace(f'"{key}":', f'"{key}": 1, "{key}":', 1)
            return text.encode()

        yield Broken("header", f"{key} twice", _header(twice), (WEIGHTS, key, "twice"))


def _entries() -> Iterator[Broken]:
    key = "conv_in.bias"
    whole: dict[str, object] = {"text": "x", "null": None, "list": [], "number": 1, "empty": {}}
    wrong: dict[str, list[object]] = {
        "dtype": ["F31", "f32", "", "F4", "C64", "object", "F16", "F64", 32, None,
                  [], {}, "X" * 10**6],
        "shape": [[-16], [16.0], ["16"], [True] * 16, [None], 16, "16", None, {}, [[16]],
                  [2**62, 4], [2**64], [2**63, 2], [10**400], [1] * 100_000, [17], [0],
                  [float("nan")], []],
        "data_offsets": [[-64, 0], [64, 0], [0.0, 64.0], [False, 64], [0], [0, 64, 64], "0-64",
                         None, {}, 64, [0, 10**12], [0, 2**64], [10**12, 10**12 + 64],
                         ["0", "64"], [None, 64], [0, float("nan")]],
    }  # fmt: skip

    def put(header: dict[str, Any], field: str, value: object) -> None:
        if field:
            header[key][field] = value
        else:
            header[key] = value

    for name, value in whole.items():
        change = partial(put, field="", value=value)
        yield Broken("entry", f"is {name}", _header(change), (WEIGHTS, key, "damaged"))
    for field, values in wrong.items():
        yield Broken("entry", f"no {field}", _header(lambda h, f=field: h[key].pop(f) and None),  # type: ignore[misc]
                     (WEIGHTS, key, "damaged"))  # fmt: skip
        for value in values:
            change = partial(put, field=field, value=value)
            name = f"{field} {str(value)[:40]}"
            yield Broken("entry", name, _header(change), (WEIGHTS, "damaged"))
    change = partial(put, field="strides", value=[1])
    yield Broken("entry", "one key more", _header(change), (WEIGHTS, key, "strides"))


def _places() -> Iterator[Broken]:
    def move(header: dict[str, Any], by: int, only: bool) -> None:
        entries = sorted((e for k, e in header.items() if k != "__metadata__"),
                         key=lambda entry: entry["data_offsets"])  # fmt: skip
        for entry in entries[3:4] if only else entries[3:]:
            entry["data_offsets"] = [place + by for place in entry["data_offsets"]]

    for by, only, cause in ((4, True, "gap"), (-4, True, "overlap"), (4, False, "gap"),
                            (-4, False, "overlap"), (10**9, True, "gap")):  # fmt: skip
        name = f"{'one' if only else 'the rest'} moved by {by}"
        yield Broken("place", name, _header(partial(move, by=by, only=only)), (WEIGHTS, cause))

    def same(header: dict[str, Any]) -> None:
        header["conv_out.bias"] |= {"data_offsets": [0, 16]}

    yield Broken("place", "two in one place", _header(same), (WEIGHTS, "damaged"))
    for more in (1, 8, 5000):

        def extend(folder: Path, more: int = more) -> None:
            path = folder / UNET
            _with(UNET, path.read_bytes() + bytes(more))(folder)

        yield Broken("place", f"{more} bytes at the end", extend, (WEIGHTS, f"{more:,} bytes"))


def _names() -> Iterator[Broken]:
    for name in ("", "x" * 501, "x" * 10**6, "a\0b", "a\nb", "\x1b[2J", "\ud800", "a\u202eb"):

        def rename(header: dict[str, Any], name: str = name) -> None:
            header[name] = header.pop("conv_in.bias")

        yield Broken("name", repr(name)[:20], _header(rename), (WEIGHTS, "is no name"))


def _cuts() -> Iterator[Broken]:
    for file in FILES:
        for part in (0, 1, 7, 8, 9, 100, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, -100, -4, -1):

            def cut(folder: Path, file: Path = file, part: float = part) -> None:
                content = (folder / file).read_bytes()
                place = int(len(content) * part) if isinstance(part, float) else int(part)
                _with(file, content[:place])(folder)

            cause = "truncated" if part else "empty"
            yield Broken("cut", f"{file} at {part}", cut, (file.name, cause, "again"))


def _contents() -> Iterator[Broken]:
    stored = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, stored)
    old = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, old, _use_new_zipfile_serialization=False)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("data.pkl", b"x")
    code, again = "can run code", "again"
    found: dict[str, tuple[bytes, tuple[str, ...]]] = {
        "torch.save": (stored.getvalue(), ("zip", code, "weights_only=True")),
        "old torch.save": (old.getvalue(), ("pickle", code, "weights_only=True")),
        "zip": (packed.getvalue(), ("zip", code)),
        "pickle that calls": (b"cos\nsystem\n(S'true'\ntR.", ("pickle", code)),
        "HTML": (b"<!DOCTYPE html><html>404</html>", ("web page", again)),
        "XML": (b"\n <?xml version='1.0'?><Error/>", ("web page", again)),
        "JSON of a server": (b'{"error": "Repository not found"}', ("JSON", again)),
        "GGUF": (b"GGUF" + bytes(200), ("GGUF", "safetensors")),
        "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(200), ("HDF5", "safetensors")),
        "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(200), ("damaged", again)),
        "zeros": (bytes(10_000), ("damaged", again)),
        "text": (b"once upon a time there was a file\n" * 9, ("damaged", again)),
        "noise": (random.Random(0).randbytes(10_000), ("damaged", again)),
    }
    for protocol in range(6):
        pickled = pickle.dumps({"a": [1.0, 2.0], "b": "c"}, protocol)
        found[f"pickle of protocol {protocol}"] = (pickled, ("pickle", code))
    for file in FILES:
        for name, (content, words) in found.items():
            if file == UNET or name in ("torch.save", "HTML", "zeros"):
                yield Broken("content", f"{name} as {file}", _with(file, content),
                             (file.name, *words))  # fmt: skip


def _no_files() -> Iterator[Broken]:
    def folder_there(folder: Path, file: Path) -> None:
        (folder / file).unlink()
        (folder / file).mkdir()

    def dangling(folder: Path, file: Path) -> None:
        (folder / file).unlink()
        (folder / file).symlink_to("nowhere")

    def pipe(folder: Path, file: Path) -> None:
        (folder / file).unlink()
        os.mkfifo(folder / file)

    for file in (*FILES, *map(Path, CONFIGS), Path(INDEX)):
        for damage in (folder_there, dangling, pipe):
            if damage is not folder_there or file not in FILES:
                yield Broken("no file", f"{damage.__name__} {file}", partial(damage, file=file),
                             (file.name,))  # fmt: skip
    for part in ("unet", "vae", "text_encoder", "scheduler"):

        def flat(folder: Path, part: str = part) -> None:
            shutil.rmtree(folder / part)
            (folder / part).write_text("not a folder")

        yield Broken("no file", f"{part} is a file", flat, (part, "missing"))


def _formats() -> Iterator[Broken]:
    for file in FILES:
        for ending in (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".h5", ".msgpack", ".onnx"):

            def rename(folder: Path, file: Path = file, ending: str = ending) -> None:
                (folder / file).rename((folder / file).with_suffix(ending))

            words = (file.stem + ending, "run code", "weights_only=True")
            yield Broken("format", f"{file.parent} {ending}", rename, words)


def _tensors() -> Iterator[Broken]:
    def change(folder: Path, file: Path, tensors: Mapping[str, torch.Tensor | None]) -> None:
        values = {**load_file(folder / file), **tensors}
        (folder / file).unlink()
        save_file(
            {k: v for k, v in values.items() if v is not None}, folder / file, {"format": "pt"}
        )

    def swap(folder: Path) -> None:
        _with(UNET, (folder / VAE).read_bytes())(folder)

    def all_as(folder: Path, file: Path, dtype: torch.dtype) -> None:
        change(folder, file, {k: v.to(dtype) for k, v in load_file(folder / file).items()})

    bias, text = "conv_in.bias", "final_layer_norm.weight"
    extra = partial(change, file=UNET, tensors={"lora.up": torch.zeros(2)})
    yield Broken("tensor", "one more", extra, (WEIGHTS, "lora.up", "unexpected"))
    yield Broken("tensor", "of another network", swap, (WEIGHTS, "missing", "unexpected"))
    for shape in ((), (17,), (16, 1), (0,)):
        damage = partial(change, file=UNET, tensors={bias: torch.zeros(shape)})
        yield Broken("tensor", f"shape {shape}", damage, (WEIGHTS, bias, "[16]"))
        damage = partial(change, file=TEXT, tensors={text: torch.zeros(shape)})
        yield Broken("tensor", f"text of shape {shape}", damage, ("config.json", text, "[24]"))
    for file, key in ((UNET, bias), (VAE, "quant_conv.bias"), (TEXT, text)):
        damage = partial(change, file=file, tensors={key: None})
        yield Broken("tensor", f"no {key}", damage, (file.name, key, "missing"))
    for dtype in (torch.int8, torch.int64, torch.bool):
        damage = partial(all_as, file=UNET, dtype=dtype)
        yield Broken("tensor", f"all {dtype}", damage, (WEIGHTS, str(dtype), "floating-point"))
    yield Broken("tensor", "none", lambda f: write_raw(f / UNET, {}), (WEIGHTS, "missing"))


def _json() -> Iterator[Broken]:
    def sparse(folder: Path, file: str, size: int) -> None:
        with (folder / file).open("r+b") as opened:
            opened.truncate(size)

    texts: dict[str, bytes] = {
        "empty": b"",
        "cut": b'{"_class_name": "',
        "a list": b"[]",
        "a text": b'"config"',
        "null": b"null",
        "HTML": b"<!DOCTYPE html>",
        "LFS pointer": b"version https://git-lfs.github.com/spec/v1\n",
        "not UTF-8": b'{"a": "\xff"}',
        "100,000 deep": b'{"a":' * 100_000,
        "100,000 lists deep": b'{"a":' + b"[" * 100_000,
        "200 deep": b'{"a":' * 200 + b"1" + b"}" * 200,
        "5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    }
    for file in (*CONFIGS, INDEX):
        for name, text in texts.items():
            yield Broken("JSON", f"{file} is {name}", _with(Path(file), text), (Path(file).name,))
        for size in (2**25 + 1, 2**30):
            name = f"{file} of {size >> 20} MB"
            yield Broken(
                "JSON", name, partial(sparse, file=file, size=size), (Path(file).name, "MB")
            )


def _settings() -> Iterator[Broken]:
    of_any: tuple[object, ...] = ("x", -1, 1.5, {}, [[]], 10**12, True, float("nan"))
    keys: dict[str, tuple[str, ...]] = {
        "unet/config.json": ("block_out_channels", "layers_per_block", "in_channels",
                             "cross_attention_dim", "norm_num_groups", "attention_head_dim",
                             "down_block_types", "transformer_layers_per_block"),
        "vae/config.json": ("block_out_channels", "latent_channels", "layers_per_block",
                            "up_block_types", "norm_num_groups"),
        "text_encoder/config.json": ("hidden_size", "num_hidden_layers", "num_attention_heads",
                                     "vocab_size", "max_position_embeddings"),
        "scheduler/scheduler_config.json": ("num_train_timesteps", "beta_schedule",
                                            "prediction_type", "timestep_spacing"),
    }  # fmt: skip
    for file, names in keys.items():
        for key in names:
            for value in of_any:
                name = f"{file}: {key} is {value}"
                yield Broken("setting", name, edit(file, **{key: value}), ("config",))
    others: tuple[dict[str, object], ...] = (
                   {"block_out_channels": [16] * 5000}, {"block_out_channels": []},
                   {"layers_per_block": 10**6}, {"norm_eps": "x"}, {"act_fn": "x"},
                   {"act_fn": None}, {"transformer_layers_per_block": [10**6, 1]},
                   {"sample_size": "x"},
                   {"down_block_types": ["DownBlock2D"] * 9}, {"use_linear_projection": "no"},
                   {"flip_sin_to_cos": 1}, {"freq_shift": None})  # fmt: skip
    for values in others:
        yield Broken("setting", f"unet: {str(values)[:40]}", edit("unet/config.json", **values),
                     ("config.json", next(iter(values))))  # fmt: skip
    factors: tuple[object, ...] = ("x", None, float("nan"), float("inf"), [], True)
    for value in factors:
        yield Broken("setting", f"vae: scaling_factor {value}",
                     edit("vae/config.json", scaling_factor=value),
                     ("config.json", "scaling_factor"))  # fmt: skip


def _classes() -> Iterator[Broken]:
    names: tuple[object, ...] = (
        "", "OnnxPipeline", "os.system", "../../engine", 7, None, [], {"a": 1}, "X" * 10**5,
    )  # fmt: skip
    for name in names:
        yield Broken("class", f"pipeline {str(name)[:20]!r}", edit(INDEX, _class_name=name),
                     (INDEX, "not supported"))  # fmt: skip
    entries: Mapping[str, tuple[object, tuple[str, ...]]] = {
        "unknown": (["diffusers", "Transformer2D"], ("Transformer2D", "supported")),
        "of a module": (["os", "system"], ("system", "supported")),
        "of a file": (["my_code", "Model"], ("Model", "supported")),
        "of another part": (["diffusers", "AutoencoderKL"], ("AutoencoderKL", "takes unet as")),
        "one name": (["diffusers"], ("two names",)),
        "three names": (["a", "b", "c"], ("two names",)),
        "numbers": ([1, 2], ("'2'", "supported")),
        "lists": ([[], []], ("supported",)),
        "a text": ("UNet2DConditionModel", ("unet",)),
        "null": (None, ("unet",)),
        "missing class": (["diffusers", None], ("unet",)),
    }
    for kind, (entry, words) in entries.items():
        yield Broken("class", f"unet {kind}", edit(INDEX, unet=entry), (INDEX, *words))
    for part in ("../unet", "/etc", "a b", "a/b"):
        damage = edit(INDEX, **{part: ["diffusers", "UNet2DModel", "x"]})
        yield Broken("class", f"part {part!r}", damage, (INDEX, part))


def _shards() -> Iterator[Broken]:
    names: tuple[object, ...] = (
             "/etc/passwd", "..", "../x.safetensors", "a/b.safetensors", "a\0.safetensors", "",
             "x.safetensors\n", "model.pt", None, [], {}, 1.5, "x" * 10**5)  # fmt: skip
    index = Path("unet", f"{WEIGHTS}.index.json")

    def write(folder: Path, places: object) -> None:
        (folder / UNET).rename(folder / "unet" / f"{STEM}-00001-of-00001.safetensors")
        (folder / index).write_text(json.dumps({"weight_map": places}))

    for name in names:
        damage = partial(write, places={"conv_in.bias": name})
        yield Broken("shard", f"named {str(name)[:20]!r}", damage, (index.name, "safetensors"))
    kinds: tuple[object, ...] = ([], "x", None, {}, 7)
    for places in kinds:
        damage = partial(write, places=places)
        yield Broken("shard", f"weight_map {places!r}", damage, (index.name, "weight_map"))

    def twice(folder: Path) -> None:
        parts = [f"{STEM}-0000{n}-of-00002.safetensors" for n in (1, 2)]
        for part in parts:
            shutil.copyfile(folder / UNET, folder / "unet" / part)
        (folder / UNET).unlink()
        places = {"conv_in.bias": parts[0], "conv_out.bias": parts[1]}
        (folder / index).write_text(json.dumps({"weight_map": places}))

    yield Broken("shard", "the same twice", twice, ("00002-of-00002", "second time"))


def _tokenizers() -> Iterator[Broken]:
    for name, texts in {
        "vocab.json": (b"", b"[]", b'{"a": "b"}', b'{"a": -1}', b'{"a": 1e9}', b'{"a": {}}',
                       b"[" * 10**5),
        "tokenizer.json": (b"", b"{}", b"[]", b'{"model": {}}', b'{"model": {"type": "X"}}',
                           b"[" * 10**5),
        "tokenizer_config.json": (b'{"model_max_length": "x"}', b'{"bos_token": {}}',
                                  b'{"added_tokens_decoder": {"x": 1}}',
                                  b'{"added_tokens_decoder": 7}'),
        "special_tokens_map.json": (b"", b"[]", b'{"unk_token": {"a": 1}}'),
        "added_tokens.json": (b"", b"[]"),
    }.items():  # fmt: skip
        for text in texts:

            def damage(folder: Path, name: str = name, text: bytes = text) -> None:
                whole = folder / "tokenizer" / "tokenizer.json"
                if name != whole.name:
                    whole.unlink(missing_ok=True)
                _with(Path("tokenizer", name), text)(folder)

            yield Broken("tokenizer", f"{name} is {text[:20]!r}", damage, ("tokenizer",))


JUNK: tuple[Any, ...] = (None, True, -1, 0, 7, 1.5, 1e308, 2**70, "", "x", [], {}, [None],
                         {"a": []}, float("nan"), "../..", [-1, "x"], "UNet2DModel")  # fmt: skip


def fuzzed(seed: int) -> tuple[str, Damage]:
    """A variant that chance has made; it may be whole all the same."""
    pick = random.Random(seed)
    if pick.random() < 0.5:
        file = pick.choice(FILES)

        def damage(folder: Path) -> None:
            content = bytearray((folder / file).read_bytes())
            end = 8 + int.from_bytes(content[:8], "little")
            for _ in range(pick.choice((1, 1, 2, 8))):
                content[pick.randrange(pick.choice((8, end)))] = pick.randrange(256)
            del content[pick.choice((len(content), pick.randrange(len(content)))) :]
            _with(file, bytes(content))(folder)

        return f"bytes of {file}", damage
    name = pick.choice((*CONFIGS[:4], INDEX))

    def change(folder: Path) -> None:
        values = json.loads((folder / name).read_text())
        for key in pick.sample(sorted(values), min(len(values), pick.choice((1, 1, 3)))):
            if pick.random() < 0.2:
                del values[key]
            else:
                values[key] = pick.choice(JUNK)
        _with(Path(name), json.dumps(values).encode())(folder)

    return f"values of {name}", change
