"""The Hub that refuses, breaks off or is not there: what is said, and that nothing half stays."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.file_download
import pytest

from engine import DiffusionPipeline
from engine.errors import CheckpointError
from engine.models import UNet2DModel
from tests.checkpoints.hub import TOKEN, StandIn
from tests.checkpoints.load import load_unet

WEIGHTS = "diffusion_pytorch_model"


def test_broken_download_leaves_nothing_half(
    hub: StandIn, cache: Path, tiny_checkpoint: Path
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    file = f"unet/{WEIGHTS}.safetensors"
    hub.cut[file], hub.broken[file] = 1000, 503
    with pytest.raises(CheckpointError, match="a/tiny: the Hub answered 503"):
        load_unet(cache)
    assert not list(cache.rglob("*.incomplete")) and not list(cache.rglob("*.safetensors"))
    hub.broken.clear()
    hub.asked.clear()
    load_unet(cache)
    assert hub.downloads() == [file]


def test_full_disk_is_named(
    hub: StandIn, cache: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    with monkeypatch.context() as patch:
        patch.setattr(huggingface_hub.file_download, "http_get", full)
        with pytest.raises(CheckpointError, match=f"disk of the cache {cache} is full"):
            load_unet(cache)
    load_unet(cache)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a/nothing", {}, ["a/nothing is neither a folder here nor", "hf auth login"]),
        ("a/private", {}, ["a/private is neither", "private"]),
        ("a/gated", {}, ["a/gated is gated", "licence", "/a/gated", "hf auth login"]),
        ("a/gated", {"token": "hf_wrong"}, ["a/gated is gated"]),
        ("a/tiny", {"revision": "v9"}, ["a/tiny has no revision 'v9'"]),
        ("a/tiny", {"revision": "0" * 40}, ["a/tiny has no revision '000"]),
        ("a/bin", {}, ["a/bin (commit ", "unet has only pytorch_model.bin", "run code"]),
        ("a/empty", {}, ["a/empty (commit ", "unet/config.json is missing"]),
        ("a/tiny", {"use_safetensors": False}, ["use_safetensors=False is refused"]),
        ("a/b--c", {}, ["a/b--c is neither a folder here nor a name"]),
        ("a b/c", {}, ["a b/c is not a folder", "'name/repository'"]),
        ("a/b/c", {}, ["a/b/c is not a folder"]),
        ("../none-here", {}, ["../none-here is not a folder"]),
    ],
)
def test_error_says_what_to_do(
    name: str,
    options: dict[str, Any],
    words: list[str],
    hub: StandIn,
    cache: Path,
    tiny_checkpoint: Path,
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    for kind, reason in (("private", "RepoNotFound"), ("gated", "GatedRepo")):
        hub.repo(f"a/{kind}").commit_folder(tiny_checkpoint)
        hub.repo(f"a/{kind}").closed = reason
    hub.repo("a/bin").commit({"unet/config.json": b"{}", "unet/pytorch_model.bin": b""})
    hub.repo("a/empty").commit({"README.md": b""})
    with pytest.raises(CheckpointError) as caught:
        load_unet(cache, name, **options)
    assert all(word in str(caught.value) for word in words), caught.value
    assert not [file for file in hub.downloads() if file.endswith(".safetensors")]


def test_repository_without_an_index(hub: StandIn, cache: Path) -> None:
    hub.repo("a/file").commit({"v1-5-pruned.safetensors": b""})
    with pytest.raises(CheckpointError, match=r"model_index\.json is missing.* diffusers layout"):
        DiffusionPipeline.from_pretrained("a/file", cache_dir=cache)
    assert hub.downloads() == []


def test_no_network_and_no_cache(hub: StandIn, cache: Path, tiny_checkpoint: Path) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    hub.stop()
    with pytest.raises(CheckpointError, match=r"a/tiny is not in the cache .*could not be reached"):
        load_unet(cache)


@pytest.mark.parametrize("kind", ["RepoNotFound", "GatedRepo"])
def test_token_opens(kind: str, hub: StandIn, cache: Path, tiny_checkpoint: Path) -> None:
    hub.repo("a/closed").commit_folder(tiny_checkpoint)
    hub.repo("a/closed").closed = kind
    load_unet(cache, "a/closed", token=TOKEN)


@pytest.mark.parametrize("as_type", [str, Path])
def test_folder_here_comes_first(
    as_type: Callable[[str], Any],
    hub: StandIn,
    tmp_path: Path,
    tiny_ddpm_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(tiny_ddpm_checkpoint, tmp_path / "a" / "ddpm")
    monkeypatch.chdir(tmp_path)
    UNet2DModel.from_pretrained(as_type("a/ddpm"))
    assert hub.asked == []
    with pytest.raises(CheckpointError, match=r"a/none is (not|neither) a folder"):
        UNet2DModel.from_pretrained(as_type("a/none"), cache_dir=tmp_path)
    assert bool(hub.asked) == (as_type is str)
