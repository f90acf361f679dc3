"""Models from the Hub, against a stand-in on loopback: what is fetched, kept, and said."""

import logging
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import huggingface_hub.file_download
import pytest
import torch
from huggingface_hub import _snapshot_download

from engine import DDIMScheduler, DiffusionPipeline
from engine.checkpoints.weights import write_weights
from engine.errors import CheckpointError
from engine.models import UNet2DConditionModel, UNet2DModel
from tests.checkpoints.hub import StandIn
from tests.checkpoints.load import load_unet, same

WEIGHTS = "diffusion_pytorch_model"
NEEDED = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    f"unet/{WEIGHTS}.safetensors",
    "vae/config.json",
    f"vae/{WEIGHTS}.safetensors",
]
UNWANTED = {
    "README.md": b"",
    "model.py": b"raise SystemExit",
    "v1-5-pruned.ckpt": b"",
    "v1-5-pruned.safetensors": b"",
    "safety_checker/model.safetensors": b"",
    "safety_checker/config.json": b"{}",
    "unet/modeling.py": b"raise SystemExit",
    f"unet/{WEIGHTS}.bin": b"",
    f"unet/{WEIGHTS}.fp16.bin": b"",
    f"unet/{WEIGHTS}.fp16.safetensors": b"",
    "unet/flax_model.msgpack": b"",
    "unet/model.onnx": b"",
    "text_encoder/pytorch_model.bin": b"",
}


def test_only_what_is_needed_is_fetched_and_once(
    hub: StandIn, cache: Path, tiny_checkpoint: Path
) -> None:
    commit = hub.repo("a/tiny").commit_folder(tiny_checkpoint, **UNWANTED)
    first = DiffusionPipeline.from_pretrained("a/tiny", cache_dir=cache)
    assert hub.downloads() == NEEDED
    assert all(commit in asked for asked in hub.asked[1:])
    local = DiffusionPipeline.from_pretrained(tiny_checkpoint)
    assert type(first) is type(local)
    assert all(
        same(first.components[name], local.components[name])
        for name in ("unet", "vae", "text_encoder")
    )
    hub.asked.clear()
    DiffusionPipeline.from_pretrained("a/tiny", cache_dir=cache)
    assert hub.asked == ["GET /api/models/a/tiny"]


def test_without_network_the_cached_commit_is_taken(
    hub: StandIn, cache: Path, tiny_ddpm_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: said.append(record.getMessage()))
    hub.repo("a/ddpm").commit_folder(tiny_ddpm_checkpoint)
    online = DiffusionPipeline.from_pretrained("a/ddpm", cache_dir=cache)
    hub.stop()
    logging.getLogger("huggingface_hub").addHandler(handler)
    try:
        offline = DiffusionPipeline.from_pretrained("a/ddpm", cache_dir=cache)
    finally:
        logging.getLogger("huggingface_hub").removeHandler(handler)
    assert same(online.components["unet"], offline.components["unet"])
    assert any("Using cached commit hash for 'a/ddpm'" in line for line in said)
    for switch in ("local_files_only", "HF_HUB_OFFLINE"):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", switch.startswith("HF"))
        only = switch == "local_files_only"
        UNet2DModel.from_pretrained("a/ddpm", cache_dir=cache, local_files_only=only)
        with pytest.raises(CheckpointError, match=f"a/other is not in the cache.*{switch}"):
            UNet2DModel.from_pretrained("a/other", cache_dir=cache, local_files_only=only)


def test_cache_of_another_library_serves_offline(
    hub: StandIn, cache: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that keeps no list of a repository's files: what is in the cache counts."""
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    load_unet(cache)
    monkeypatch.setattr(_snapshot_download, "read_tree_cache", lambda folder, commit: None)
    for asking in (False, True):
        if asking:
            hub.stop()
        load_unet(cache, local_files_only=not asking)
        with pytest.raises(CheckpointError, match=r"as far as it is cached/vae/config\.json"):
            UNet2DModel.from_pretrained(
                "a/tiny", subfolder="vae", cache_dir=cache, local_files_only=not asking
            )


def test_one_component_alone(hub: StandIn, cache: Path, tiny_checkpoint: Path) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint, **UNWANTED)
    load_unet(cache)
    DDIMScheduler.from_pretrained("a/tiny", subfolder="scheduler", cache_dir=cache)
    wanted = ["scheduler/scheduler_config.json", "unet/config.json", f"unet/{WEIGHTS}.safetensors"]
    assert hub.downloads() == wanted


def test_components_that_are_given_are_not_fetched(
    hub: StandIn, cache: Path, tiny_checkpoint: Path
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    parts = {"unet": None, "text_encoder": None, "tokenizer": None}
    pipeline = DiffusionPipeline.from_pretrained("a/tiny", cache_dir=cache, **parts)
    assert pipeline.components["unet"] is None
    assert {file.partition("/")[0] for file in hub.downloads()} == {
        "model_index.json",
        "scheduler",
        "vae",
    }


def test_variant_where_there_is_one(
    hub: StandIn, cache: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "both"
    shutil.copytree(tiny_checkpoint, folder)
    half = UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch.float16)
    half.save_pretrained(folder / "unet", variant="fp16", max_shard_size="100KB")
    hub.repo("a/tiny").commit_folder(folder)
    pipeline = DiffusionPipeline.from_pretrained(
        "a/tiny", cache_dir=cache, variant="fp16", dtype=torch.float16
    )
    assert same(pipeline.components["unet"], half)
    weights = [file for file in hub.downloads() if file.startswith("unet/diff")]
    assert f"unet/{WEIGHTS}.safetensors.index.fp16.json" in weights and len(weights) > 2
    assert all("fp16" in name for name in weights)
    assert f"vae/{WEIGHTS}.safetensors" in hub.downloads()
    with pytest.raises(CheckpointError, match=r"variant='bf16'.* there are: variant=None"):
        DiffusionPipeline.from_pretrained("a/tiny", cache_dir=cache, variant="bf16")


def test_all_files_are_of_one_commit(hub: StandIn, cache: Path, tiny_checkpoint: Path) -> None:
    repo = hub.repo("a/tiny")
    old = repo.commit_folder(tiny_checkpoint)
    new = repo.commit({"unet/config.json": b"{}"}, ref="next")

    class Moving(dict):
        """Somebody pushes as soon as the branch has been looked up."""

        def get(self, key: str, default: Any = None) -> Any:
            found = super().get(key, default)
            self["main"] = new
            return found

    repo.refs = Moving(repo.refs)
    load_unet(cache)
    assert repo.refs["main"] == new
    assert all(old in asked for asked in hub.asked if "resolve" in asked)
    with pytest.raises(CheckpointError, match=new[:8]):
        load_unet(cache)
    load_unet(cache, revision=old)


def test_downloads_show_their_progress(
    hub: StandIn, cache: Path, tiny_checkpoint: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    load_unet(cache)
    assert capfd.readouterr().err.count("Fetching 1 files: 100%") == 2  # settings, then weights
    load_unet(cache)
    assert capfd.readouterr().err == ""


def test_download_goes_on_where_it_broke(
    hub: StandIn, cache: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    file = f"unet/{WEIGHTS}.safetensors"
    hub.cut[file] = 1000
    unet = load_unet(cache)
    assert same(unet, UNet2DConditionModel.from_pretrained(tiny_checkpoint / "unet"))
    assert hub.downloads().count(file) == 2 and hub.ranges == ["bytes=1000-"]


def test_shard_names_do_not_leave_their_folder(
    hub: StandIn, cache: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "shards"
    shutil.copytree(tiny_checkpoint / "unet", folder / "unet")
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    write_weights(folder / "unet", WEIGHTS, unet.state_dict(), max_shard_size="100KB")
    path = folder / "unet" / f"{WEIGHTS}.safetensors.index.json"
    hub.repo("a/tiny").commit_folder(folder)
    assert same(load_unet(cache), unet)
    path.write_text('{"weight_map": {"conv_in.weight": "../secret.safetensors"}}')
    hub.repo("a/tiny").commit_folder(folder, **{"secret.safetensors": b""})
    with pytest.raises(CheckpointError, match=r"names '\.\./secret\.safetensors'"):
        load_unet(cache)
    assert "secret.safetensors" not in hub.downloads()
