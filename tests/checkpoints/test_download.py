"""A model from the Hub: the plan that is told first, then the files, whatever comes between."""

import dataclasses
import errno
import json
import os
import shutil
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import scan_cache_dir

from engine.cache import ComponentCache
from engine.checkpoints import download
from engine.checkpoints.cached import HubModels, repo_folder
from engine.checkpoints.catalog import find_model, list_models
from engine.checkpoints.download import Download, TransferStopped, plan_download
from engine.checkpoints.hub import SUCCESSORS
from engine.checkpoints.transfer import Transfer, partial
from engine.errors import CheckpointError, EngineError
from engine.models import UNet2DConditionModel
from tests.checkpoints import hub as stand_in
from tests.checkpoints.hub import TOKEN, StandIn
from tests.checkpoints.test_hub import NEEDED, UNWANTED, WEIGHTS

UNET = f"unet/{WEIGHTS}.safetensors"
OTHERS = {name: data for name, data in UNWANTED.items() if "fp16.safetensors" not in name}
LIMIT = 20.0
"""Seconds that anything here may take."""


@pytest.fixture
def models(cache: Path) -> HubModels:
    return HubModels(("*",), cache)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transfer, "pause", 0.01)
    monkeypatch.setattr(download, "MARGIN", 0)


@pytest.fixture
def begun() -> Iterator[Callable[[Download], threading.Thread]]:
    """Runs downloads in threads, which have ended when the test has."""
    threads = []

    def begin(one: Download) -> threading.Thread:
        def run() -> None:
            try:
                one.run()
            except TransferStopped:
                ended.append("stopped")

        ended: list[str] = []
        thread = threading.Thread(target=run)
        thread.ended = ended  # type: ignore[attr-defined]
        threads.append((one, thread))
        thread.start()
        return thread

    yield begin
    for one, thread in threads:
        one.cancel()
        thread.join(LIMIT)
        assert not thread.is_alive()


def until(told: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not told():
        assert time.monotonic() < end
        time.sleep(0.01)


def fetch(models: HubModels, name: str = "a/tiny", **options: Any) -> Path:
    return Download(plan_download(name, hub=models, **options), models).run()


def test_plan_tells_what_would_come(hub: StandIn, models: HubModels, tiny_checkpoint: Path) -> None:
    commit = hub.repo("a/tiny").commit_folder(tiny_checkpoint, **OTHERS)
    hub.repo("a/tiny").card = {"license": "creativeml-openrail-m"}
    plan = plan_download("a/tiny", hub=models)
    assert hub.downloads() == ["model_index.json"]
    assert sorted(file.path for file in plan.files) == NEEDED
    sizes = [(tiny_checkpoint / name).stat().st_size for name in NEEDED]
    index = (tiny_checkpoint / "model_index.json").stat().st_size
    assert (plan.bytes, plan.here, plan.lacking) == (sum(sizes), index, 0)
    assert plan.free == shutil.disk_usage(models.folder).free
    assert (plan.name, plan.commit, plan.pipeline) == ("a/tiny", commit, "StableDiffusionPipeline")
    assert (plan.licence, plan.gated, plan.page) == (
        "creativeml-openrail-m",
        False,
        f"{hub.url}/a/tiny",
    )
    assert (plan.variant, plan.variants) == (None, (None,))


def test_downloaded_model_is_in_the_list_and_in_the_cache_of_all(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint, **OTHERS)
    assert list_models(tmp_path, models) == []
    plan = plan_download("a/tiny", hub=models)
    assert list_models(tmp_path, models) == []  # the index alone is no model
    one = Download(plan, models)
    root = one.run()
    assert one.progress.done == one.progress.total == plan.bytes
    assert hub.downloads() == NEEDED
    [info] = list_models(tmp_path, models)
    assert info == find_model(tmp_path, "a/tiny", models)
    assert (info.name, info.path) == ("a/tiny", root)
    assert info.bytes == plan.bytes
    scanned = scan_cache_dir(models.folder)
    assert not scanned.warnings and scanned.size_on_disk == plan.bytes
    [repo] = scanned.repos
    assert (repo.repo_id, [*repo.refs]) == ("a/tiny", ["main"])
    hub.asked.clear()
    UNet2DConditionModel.from_pretrained("a/tiny", subfolder="unet", cache_dir=models.folder)
    assert hub.downloads() == []  # others find it there


def test_half_precision_is_preferred_and_loads(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "both"
    shutil.copytree(tiny_checkpoint, folder)
    half = UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch.float16)
    half.save_pretrained(folder / "unet", variant="fp16", max_shard_size="100KB")
    hub.repo("a/tiny").commit_folder(folder)
    plan = plan_download("a/tiny", hub=models)
    assert plan.variant == "fp16" and set(plan.variants) == {None, "fp16"}
    assert plan_download("a/tiny", None, models).bytes > plan.bytes
    root = Download(plan, models).run()
    assert not (root / UNET).exists() and len(list((root / "unet").iterdir())) > 3
    kept = ComponentCache(10**9)
    pipeline = kept.pipeline(root, "text-to-image", "cpu", torch.float32)
    weights = half.state_dict()
    assert all(
        torch.equal(value, weights[key].float())
        for key, value in pipeline.components["unet"].state_dict().items()
    )
    assert {entry["model"] for entry in kept.figures()["components"]} == {"a/tiny"}
    with pytest.raises(CheckpointError, match="no weights for variant='bf16'"):
        plan_download("a/tiny", "bf16", models)


@pytest.mark.parametrize("deaf", [False, True])
def test_cut_is_gone_on_with(
    deaf: bool, hub: StandIn, models: HubModels, tiny_checkpoint: Path
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    hub.cut[UNET], hub.deaf = 30_000, deaf
    one = Download(plan_download("a/tiny", hub=models), models)
    assert (one.run() / UNET).read_bytes() == (tiny_checkpoint / UNET).read_bytes()
    assert hub.ranges == ["bytes=30000-"]
    assert one.progress.done == one.plan.bytes


def test_what_came_before_the_hub_went_away_is_kept(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    plan = plan_download("a/tiny", hub=models)
    hub.cut[UNET], hub.broken[UNET] = 30_000, 503
    with pytest.raises(CheckpointError, match="a/tiny: the Hub answered 503"):
        Download(plan, models).run()
    hub.broken.clear()
    hub.asked.clear()
    again = plan_download("a/tiny", hub=models)
    assert again.here >= 30_000 + plan.here
    assert (Download(again, models).run() / UNET).is_file()
    assert hub.ranges[-1] == "bytes=30000-" and hub.downloads().count(UNET) == 1


def test_cancel_ends_at_once_and_keeps_what_came(
    hub: StandIn,
    models: HubModels,
    tiny_checkpoint: Path,
    begun: Callable[[Download], threading.Thread],
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    size = (tiny_checkpoint / UNET).stat().st_size
    hub.pace[UNET] = 0.05
    one = Download(plan_download("a/tiny", hub=models), models)
    thread = begun(one)
    until(lambda: one.progress.file == UNET and one.progress.speed > 0)
    until(lambda: partial_of(one).exists() and partial_of(one).stat().st_size > 20_000)
    told = one.progress
    assert 0 < told.done < told.total and told.left
    one.cancel()
    thread.join(LIMIT)
    assert thread.ended == ["stopped"]  # type: ignore[attr-defined]
    kept = partial_of(one).stat().st_size
    assert 20_000 < kept < size
    hub.pace.clear()
    fetch(models)
    assert hub.ranges == [f"bytes={kept}-"]


def test_cancel_wakes_who_waits_for_bytes(
    hub: StandIn,
    models: HubModels,
    tiny_checkpoint: Path,
    begun: Callable[[Download], threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Transfer, "patience", 3600.0)
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    hub.pace[UNET] = LIMIT  # the test does not wait for it
    one = Download(plan_download("a/tiny", hub=models), models)
    thread = begun(one)
    until(lambda: one._transfer._response is not None and one.progress.file == UNET)
    one.cancel()
    thread.join(LIMIT / 4)
    assert not thread.is_alive()


def partial_of(one: Download) -> Path:
    [file] = [file for file in one.plan.files if file.path == UNET]
    return partial(repo_folder(one._cache, one.plan.repo) / "blobs" / file.oid)


def test_two_who_want_the_same_fetch_it_once(
    hub: StandIn,
    models: HubModels,
    tiny_checkpoint: Path,
    begun: Callable[[Download], threading.Thread],
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    hub.pace[UNET] = 0.02
    plan = plan_download("a/tiny", hub=models)
    both = [Download(plan, models) for _ in range(2)]
    for thread in [begun(one) for one in both]:
        thread.join(LIMIT)
    assert [one.progress.done for one in both] == [plan.bytes] * 2
    assert hub.downloads().count(UNET) == 1


@pytest.mark.parametrize(
    ("file", "fault"), [(UNET, "hash"), (UNET, "longer"), ("unet/config.json", "hash")]
)
def test_file_that_is_not_the_one_announced_is_removed(
    file: str, fault: str, hub: StandIn, models: HubModels, tiny_checkpoint: Path
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    plan = plan_download("a/tiny", hub=models)
    right = (tiny_checkpoint / file).read_bytes()
    hub.altered[file] = right + b"!" if fault == "longer" else right[:-1] + b"?"
    with pytest.raises(CheckpointError, match=f"{file} is not what the Hub announced .*removed"):
        Download(plan, models).run()
    [wrong] = [one for one in plan.files if one.path == file]
    blobs = repo_folder(models.folder, "a/tiny") / "blobs"
    assert not [path for path in blobs.iterdir() if path.name.startswith(wrong.oid)]
    hub.altered.clear()
    assert (fetch(models) / file).read_bytes() == right


def test_commit_of_the_plan_is_fetched_whatever_is_pushed(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    old = hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    plan = plan_download("a/tiny", hub=models)
    new = hub.repo("a/tiny").commit_folder(tiny_checkpoint, **{"unet/config.json": b"{}"})
    root = Download(plan, models).run()
    assert root.name == old and all(new not in asked for asked in hub.asked)
    again = plan_download("a/tiny", hub=models)
    assert again.commit == new and again.here > plan.here
    assert find_model(tmp_path, "a/tiny", models).path.name == old  # till the new one is whole


def test_commit_that_is_gone_is_said(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path
) -> None:
    old = hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    plan = plan_download("a/tiny", hub=models)
    del hub.repo("a/tiny").commits[old]
    with pytest.raises(CheckpointError, match=f"a/tiny has no revision '{old}'"):
        Download(plan, models).run()


def test_revision_has_a_name_of_its_own(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    files = {
        p.relative_to(tiny_checkpoint).as_posix(): p.read_bytes()
        for p in tiny_checkpoint.rglob("*")
        if p.is_file()
    }
    main = hub.repo("a/tiny").commit(files)
    other = hub.repo("a/tiny").commit(files | {"README.md": b"other"}, ref="refs/pr/1")
    for name in ("a/tiny@refs/pr/1", f"a/tiny@{main}", "a/tiny"):
        fetch(models, name)
        assert find_model(tmp_path, name, models).name == name
    assert [one.name for one in list_models(tmp_path, models)] == ["a/tiny", "a/tiny@refs/pr/1"]
    assert find_model(tmp_path, "a/tiny@refs/pr/1", models).path.name == other
    assert hub.downloads().count(UNET) == 1
    with pytest.raises(CheckpointError, match="a/tiny has no revision 'v9'"):
        plan_download("a/tiny@v9", hub=models)


def test_renamed_repository_goes_by_its_new_name(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    hub.repo("new/tiny").commit_folder(tiny_checkpoint)
    hub.repo("old/tiny").renamed = "new/tiny"
    plan = plan_download("old/tiny", hub=models)
    assert plan.name == "new/tiny"
    Download(plan, models).run()
    assert [one.name for one in list_models(tmp_path, models)] == ["new/tiny"]
    with pytest.raises(EngineError, match="new/tiny may not be used here"):
        plan_download("old/tiny", hub=HubModels(("old/*",), models.cache))


@pytest.mark.parametrize("name", SUCCESSORS)
def test_withdrawn_repository_is_pointed_to_its_successor(
    name: str, hub: StandIn, models: HubModels
) -> None:
    with pytest.raises(CheckpointError, match=f"{name} was withdrawn.*now {SUCCESSORS[name]}"):
        plan_download(name, hub=models)


@pytest.mark.parametrize("kind", ["RepoNotFound", "GatedRepo"])
def test_closed_repository_says_how_to_get_in(
    kind: str,
    hub: StandIn,
    models: HubModels,
    tiny_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repo = hub.repo("a/closed")
    repo.commit_folder(tiny_checkpoint)
    repo.closed, repo.card = kind, {"license": "other", "license_name": "sdxl-0.9"}
    gated = kind == "GatedRepo"
    words = "a/closed is gated.*sdxl-0.9.*/a/closed" if gated else "a/closed is neither.*private"
    for wrong in ("", "hf_wrong"):
        monkeypatch.setenv("HF_TOKEN", wrong)
        with pytest.raises(CheckpointError, match=f"{words}.*HF_TOKEN") as caught:
            plan_download("a/closed", hub=models)
        assert not wrong or wrong not in str(caught.value)
    assert hub.downloads().count(UNET) == 0
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", TOKEN)
    plan = plan_download("a/closed", hub=models)
    assert (plan.gated, plan.licence) == (gated, "sdxl-0.9")
    Download(plan, models).run()
    kept = [path.read_bytes() for path in models.folder.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in data for data in kept)


def test_token_is_never_shown(
    hub: StandIn, models: HubModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret\x01rest")
    with pytest.raises(CheckpointError, match="HF_TOKEN") as caught:
        plan_download("a/tiny", hub=models)
    assert "secret" not in str(caught.value) and caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ({"_class_name": "FluxPipeline"}, r"is a FluxPipeline, .*StableDiffusionPipeline"),
        ({"unet": ["diffusers", "UNetMotionModel"]}, r"its unet is a 'UNetMotionModel'"),
        ({"safety_checker": ["x", "Unknown"]}, ""),
    ],
)
def test_what_cannot_run_is_refused_before_it_is_fetched(
    index: dict[str, Any],
    words: str,
    hub: StandIn,
    models: HubModels,
    tiny_checkpoint: Path,
) -> None:
    path = tiny_checkpoint / "model_index.json"
    data = json_with(path, **index)
    hub.repo("a/tiny").commit_folder(tiny_checkpoint, **{"model_index.json": data})
    if not words:
        assert plan_download("a/tiny", hub=models).files
        return
    with pytest.raises(CheckpointError, match=words):
        plan_download("a/tiny", hub=models)
    assert hub.downloads() == ["model_index.json"]


def test_repository_of_another_layout_is_refused(hub: StandIn, models: HubModels) -> None:
    hub.repo("a/file").commit({"v1-5-pruned.safetensors": b""})
    with pytest.raises(CheckpointError, match=r"model_index\.json is missing.* diffusers layout"):
        plan_download("a/file", hub=models)
    assert hub.downloads() == []


def test_weights_that_can_run_code_are_refused(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "bin")
    (folder / UNET).rename(folder / "unet" / f"{WEIGHTS}.bin")
    hub.repo("a/tiny").commit_folder(folder)
    with pytest.raises(CheckpointError, match=r"unet has only .*\.bin"):
        plan_download("a/tiny", hub=models)


def test_repository_without_sizes_or_hashes_is_refused(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    told = stand_in.sibling
    for change in ({"size": None, "lfs": None}, {"blobId": "../../x", "lfs": None}):
        monkeypatch.setattr(stand_in, "sibling", lambda *file, c=change: told(*file) | c)
        with pytest.raises(CheckpointError, match="tells no size and hash of"):
            plan_download("a/tiny", hub=models)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"sha": "../../../x"}, "names '../../../x', no commit"),
        ({"id": "../x"}, "'../x' is not the name of a model"),
        ({"id": "a/b/../../x"}, "is not the name of a model"),
    ],
)
def test_hub_that_lies_leads_nowhere(
    told: dict[str, Any],
    words: str,
    hub: StandIn,
    models: HubModels,
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    reply = stand_in.Handler.reply

    def lie(self: Any, body: object, *others: Any) -> None:
        reply(self, body | told if isinstance(body, dict) else body, *others)

    monkeypatch.setattr(stand_in.Handler, "reply", lie)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CheckpointError, match=words):
        plan_download("a/tiny", hub=models)
    assert sorted(tmp_path.rglob("*")) == before


def test_full_disk_is_told_before(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    need = plan_download("a/tiny", hub=models)
    left = need.bytes - need.here
    for free, lacking in ((left + 1_000, 0), (left + 999, 1)):
        monkeypatch.setattr(download, "MARGIN", 1_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda place, free=free: usage(0, 0, free))
        plan = plan_download("a/tiny", hub=models)
        assert plan.lacking == lacking
    with pytest.raises(CheckpointError, match=r"a/tiny needs .* GB more in .*HF_HOME"):
        Download(plan, models).run()
    assert hub.downloads() == ["model_index.json"]


def test_disk_that_fills_up_is_left_with_room(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    one = Download(plan_download("a/tiny", hub=models), models)
    with monkeypatch.context() as patch:
        patch.setattr(one._transfer, "_on_bytes", full)
        with pytest.raises(CheckpointError, match=f"disk of the cache {models.folder} is full"):
            one.run()
    assert not list(models.folder.rglob("*.incomplete"))
    fetch(models)


def full(arrived: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_small_disk_in_earnest(hub: StandIn, small_disk: Path, tiny_checkpoint: Path) -> None:
    models = HubModels(("*",), small_disk)
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    plan = plan_download("a/tiny", hub=models)
    assert plan.lacking > 0
    plenty = dataclasses.replace(plan, free=10**12)
    with pytest.raises(CheckpointError, match="is full"):
        Download(plenty, models).run()
    assert not list(small_disk.rglob("*.incomplete"))


def test_without_network(
    hub: StandIn,
    models: HubModels,
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    fetch(models)
    with monkeypatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE"):
            plan_download("a/tiny", hub=models)
        assert find_model(tmp_path, "a/tiny", models).name == "a/tiny"
    hub.stop()
    with pytest.raises(CheckpointError, match="could not be reached"):
        plan_download("a/tiny", hub=models)


def test_disk_without_links(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "symlink_to", refuse)
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    root = fetch(models)
    assert (root / UNET).read_bytes() == (tiny_checkpoint / UNET).read_bytes()
    plan = plan_download("a/tiny", hub=models)
    assert plan.here == plan.bytes and models.find("a/tiny") == root
    assert hub.downloads().count(UNET) == 1


def test_mirror_with_a_slash_at_its_end(
    hub: StandIn, models: HubModels, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repo("a/tiny").commit_folder(tiny_checkpoint)
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.url}/")
    assert plan_download("a/tiny", hub=models).page == f"{hub.url}/a/tiny"


def json_with(path: Path, **changes: Any) -> bytes:
    return json.dumps(json.loads(path.read_text()) | changes).encode()
