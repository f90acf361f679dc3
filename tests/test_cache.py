"""The component cache: one load each, shared, bounded."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from engine.cache import ComponentCache
from engine.errors import CheckpointError, RequestError, RunCancelled
from tests.conftest import make_checkpoint

CPU = torch.device("cpu")
TASK = "text-to-image"
PARTS = {"vae", "text_encoder", "tokenizer", "unet", "scheduler"}


def test_second_pipeline_loads_nothing_and_shares_all(tiny_checkpoint: Path) -> None:
    cache, loaded = ComponentCache(10**9), list[str]()
    first = cache.pipeline(tiny_checkpoint, TASK, CPU, torch.float32, loaded.append)
    assert set(loaded) == PARTS and cache.loads == len(PARTS)
    second = cache.pipeline(tiny_checkpoint, TASK, CPU, torch.float32, loaded.append)
    assert len(loaded) == len(PARTS)
    assert all(second.components[name] is first.components[name] for name in PARTS)


def test_figures_count_the_bytes(tiny_checkpoint: Path) -> None:
    cache = ComponentCache(10**9)
    pipeline = cache.pipeline(tiny_checkpoint, TASK, CPU, torch.float32)
    figures = {part["name"]: part for part in cache.figures()["components"]}
    unet = pipeline.components["unet"]
    assert figures["unet"]["bytes"] == unet.num_parameters() * 4
    assert figures["unet"]["id"] == id(unet)
    assert cache.figures()["bytes"] == sum(part["bytes"] for part in figures.values())


def test_least_recently_used_goes_first(tmp_path: Path, tiny_checkpoint: Path) -> None:
    other = make_checkpoint(tmp_path / "other", seed=1)
    cache = ComponentCache(1)
    cache.pipeline(tiny_checkpoint, TASK, CPU, torch.float32)
    cache.pipeline(other, TASK, CPU, torch.float32)
    figures = cache.figures()
    assert {part["model"] for part in figures["components"] if part["bytes"]} == {"other"}
    roomy = ComponentCache(10**9)
    for folder in (tiny_checkpoint, other, tiny_checkpoint):
        roomy.pipeline(folder, TASK, CPU, torch.float32)
    assert roomy.loads == len(PARTS) + len({"vae", "text_encoder", "unet"}), "the rest is equal"


def test_equal_files_of_two_checkpoints_are_kept_once(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_checkpoint, other)
    changed = next((other / "unet").glob("*.safetensors"))
    data = bytearray(changed.read_bytes())
    data[-1] ^= 1  # same name, same size
    changed.write_bytes(data)
    cache, loaded = ComponentCache(10**9), list[str]()
    first = cache.pipeline(tiny_checkpoint, TASK, CPU, torch.float32)
    alone = cache.bytes
    second = cache.pipeline(other, TASK, CPU, torch.float32, loaded.append)
    assert loaded == ["unet"] and cache.loads == len(PARTS) + 1
    same = {name for name in PARTS if second.components[name] is first.components[name]}
    assert same == PARTS - {"unet"}
    assert cache.bytes == alone + 4 * second.components["unet"].num_parameters()
    half = cache.pipeline(other, TASK, CPU, torch.float16)
    assert half.components["vae"] is not first.components["vae"]


def test_files_that_have_changed_since_are_not_taken_for_equal(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    shutil.copytree(tiny_checkpoint, one)
    cache = ComponentCache(10**9)
    first = cache.pipeline(one, TASK, CPU, torch.float32)
    weights = next((one / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    shutil.copytree(one, other)
    shutil.rmtree(one / "vae")
    second = cache.pipeline(other, TASK, CPU, torch.float32)
    for name in ("unet", "vae"):
        assert second.components[name] is not first.components[name]
    assert second.components["text_encoder"] is first.components["text_encoder"]


def test_changed_files_are_loaded_anew(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_checkpoint, folder)
    cache, loaded = ComponentCache(10**9), list[str]()
    cache.pipeline(folder, TASK, CPU, torch.float32, loaded.append)
    os.utime(next((folder / "unet").glob("*.safetensors")), (1, 1))
    loaded.clear()
    cache.pipeline(folder, TASK, CPU, torch.float32, loaded.append)
    assert loaded == ["unet"]
    assert len(cache.figures()["components"]) == len(PARTS)


def test_flat_components_are_told_apart_by_their_files(
    tiny_ddpm_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "flat"
    shutil.copytree(tiny_ddpm_checkpoint, folder)
    cache, loaded = ComponentCache(10**9), list[str]()
    for file, expected in (
        (None, ["unet", "scheduler"]),
        ("README.md", []),
        ("scheduler_config.json", ["scheduler"]),
        ("diffusion_pytorch_model.safetensors", ["unet"]),
    ):
        loaded.clear()
        if file is not None:
            (folder / file).touch()
            os.utime(folder / file, (1, 1))
        cache.pipeline(folder, "unconditional", CPU, torch.float32, loaded.append)
        assert loaded == expected, file


def test_an_error_leaves_the_cache_usable(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(tiny_checkpoint, folder)
    next((folder / "unet").glob("*.safetensors")).write_bytes(b"")
    cache = ComponentCache(10**9)
    with pytest.raises(CheckpointError):
        cache.pipeline(folder, TASK, CPU, torch.float32)
    cache.pipeline(tiny_checkpoint, TASK, CPU, torch.float32)
    with pytest.raises(RequestError, match="dance"):
        cache.pipeline(tiny_checkpoint, "dance", CPU, torch.float32)


def test_loads_that_are_stopped_do_not_add_up(tiny_checkpoint: Path, tmp_path: Path) -> None:
    def stop(name: str) -> None:
        if name == "scheduler":
            raise RunCancelled

    cache = ComponentCache(1)
    first = cache.pipeline(tiny_checkpoint, TASK, CPU, torch.float32)
    one = cache.bytes
    for number in (1, 2, 3):
        other = make_checkpoint(tmp_path / f"other-{number}", seed=number)
        config = other / "scheduler" / "scheduler_config.json"
        config.write_text(config.read_text() + " " * number)  # so that it has to be loaded too
        with pytest.raises(RunCancelled):
            cache.pipeline(other, TASK, CPU, torch.float32, stop)
        assert cache.bytes == 2 * one, "the newest, and what was loaded last"
    again = cache.pipeline(tiny_checkpoint, TASK, CPU, torch.float32)
    assert again.components["unet"] is first.components["unet"]
    assert cache.bytes == one


def test_a_few_components_are_shared_and_drive_nothing_out(
    tiny_checkpoint: Path, tiny_depth_checkpoint: Path
) -> None:
    cache = ComponentCache(1)
    first = cache.pipeline(tiny_checkpoint, TASK, CPU, torch.float32)
    names = ("depth_estimator", "feature_extractor")
    parts = cache.components(tiny_depth_checkpoint, names, CPU, torch.float32)
    assert cache.loads == len(PARTS) + 2
    again = cache.pipeline(tiny_checkpoint, TASK, CPU, torch.float32)
    assert again.components["unet"] is first.components["unet"]
    assert cache.components(tiny_checkpoint, names, CPU, torch.float32) == [None, None]
    roomy = ComponentCache(10**9)
    parts = roomy.components(tiny_depth_checkpoint, names, CPU, torch.float32)
    whole = roomy.pipeline(tiny_depth_checkpoint, "depth-to-image", CPU, torch.float32)
    assert [whole.components[name] for name in names] == parts


def test_threads_that_load_at_once_share_what_they_load(tiny_checkpoint: Path) -> None:
    cache = ComponentCache(10**9)
    with ThreadPoolExecutor(4) as pool:
        made = [
            pool.submit(cache.pipeline, tiny_checkpoint, TASK, CPU, torch.float32) for _ in range(4)
        ]
    assert cache.loads == len(PARTS)
    assert len({id(one.result().components["unet"]) for one in made}) == 1
