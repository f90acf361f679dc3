"""The header of a safetensors file: what is whole is read, every fault is named."""

import os
import shutil
import tracemalloc
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.broken_cases import UNET, Broken, broken, write_raw
from engine.checkpoints.header import MAX_TENSORS, SIZES, read_header
from engine.errors import CheckpointError

KINDS = ("length", "header", "entry", "place", "name", "content")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool,
          torch.uint8, torch.float8_e4m3fn, torch.float8_e5m2)  # fmt: skip


def of_kind(kind: str) -> list[Broken]:
    """Those that spoil the weights of the UNet."""
    return [one for one in broken() if one.kind == kind and UNET.name in one.words]


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_named_and_takes_no_memory(
    kind: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    cases = of_kind(kind)
    assert len(cases) >= 7
    (tmp_path / "unet").mkdir()
    for one in cases:
        for file in ("unet", "vae"):
            shutil.copytree(tiny_checkpoint / file, tmp_path / file, dirs_exist_ok=True)
        one.damage(tmp_path)
        size = (tmp_path / UNET).stat().st_size if (tmp_path / UNET).exists() else 0
        tracemalloc.start()
        with pytest.raises(CheckpointError) as caught:
            read_header(tmp_path / UNET)
            read_header(tmp_path / "vae" / UNET.name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        said = str(caught.value)
        assert all(word in said for word in one.words), (one.name, said)
        assert len(said) < 1000 and said.isprintable(), one.name
        assert peak <= 2 * size + 32_000_000, one.name


def test_a_few_of_every_class_are_refused_by_a_pipeline(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    from benchmarks.broken import Tally, attempt, copy

    tally, place, seen = Tally(), tmp_path / "broken", dict[str, int]()
    for one in broken():
        seen[one.kind] = seen.get(one.kind, 0) + 1
        if one.kind != "checkpoint" and seen[one.kind] % 20 == 1:
            copy(tiny_checkpoint, place)
            one.damage(place)
            attempt(place, f"{one.kind}: {one.name}", one.words, tally)
    assert tally.wrong == {}
    assert len(tally.refused) >= 30 and len(seen) >= 15
    assert sum(seen.values()) >= 200


def test_what_is_whole_is_read(tmp_path: Path) -> None:
    path = tmp_path / "whole.safetensors"
    tensors = {str(dtype): torch.zeros(2, 3).to(dtype) for dtype in DTYPES}
    tensors |= {"a dot.weight": torch.zeros(()), "none": torch.zeros(0, 7), "größe": torch.ones(5)}
    save_file(tensors, path, {"format": "pt", "tags": '{"a": [1, 2]}'})
    found = read_header(path)
    assert found == {name: tuple(tensor.shape) for name, tensor in tensors.items()}


@pytest.mark.parametrize("dtype", SIZES)
def test_every_type_has_its_size(dtype: str, tmp_path: Path) -> None:
    size = torch.empty((), dtype={
        "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
        "BF16": torch.bfloat16,
    }.get(dtype) or getattr(torch, {"I": "int", "U": "uint", "F": "float"}[dtype[0]] + dtype[1:]),
    ).element_size()  # fmt: skip
    header = {"a": {"dtype": dtype, "shape": [3], "data_offsets": [0, 3 * size]}}
    write_raw(tmp_path / "a.safetensors", header, bytes(3 * size))
    assert read_header(tmp_path / "a.safetensors") == {"a": (3,)}


def test_as_many_tensors_as_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "many.safetensors"
    header = {
        f"{n}": {"dtype": "U8", "shape": [1], "data_offsets": [n, n + 1]}
        for n in range(MAX_TENSORS)
    }
    write_raw(path, header, bytes(MAX_TENSORS))
    assert len(read_header(path)) == MAX_TENSORS


@pytest.mark.parametrize("ending", [".bin", ".ckpt", ".pt", ".pth"])
def test_other_formats_are_refused_by_their_name(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{ending}"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=rf"model\{ending} is of a format that can run code"):
        read_header(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    path.chmod(0)
    with pytest.raises(CheckpointError, match="cannot be read: Permission denied"):
        read_header(path)
