"""Models of the Hub in the cache: by name and never by path, and only those that may be used."""

import shutil
from pathlib import Path

import pytest

from engine.checkpoints.cached import HubModels, model_name, name_of, repo_folder, split_name
from engine.checkpoints.catalog import find_model, list_models
from engine.errors import CheckpointError, EngineError

COMMITS = ["a" * 40, "b" * 40, "c" * 40]
HOSTILE = [
    *("", "/", "a", "a/", "/a", "a//b", "a/b/c", "../a", "a/..", "a/../b", "./a", "a/.", "a/b/.."),
    *("a/b/../../c", "/etc/passwd", "a\\b", "a/b\\c", "a/b\0", "a/b\n", " a/b", "a/b ", "a b/c"),
    *("~/a", "a/~", "C:/a", "file:///a", "a/b%2f..", "--a/b", "a--b/c", "a/b--c", "a/b..c", "a/-b"),
    *("models--a/b", "é/b", "a/" + "b" * 100, "a/b?x", "a/b#x", "@main", "a@b/c"),
]
HOSTILE_REVISIONS = [
    *("", "/", "..", "../main", "a/..", "a//b", "/etc", "a/../../b", ".hidden", "a/.b", "a\\b"),
    *("a b", "a\0", "a\n", "~", "a@b", "a" * 300, "é", "a..b"),
]


@pytest.fixture
def models(tmp_path: Path) -> HubModels:
    return HubModels(("*",), tmp_path / "cache")


def put(models: HubModels, checkpoint: Path, repo: str, commit: str, ref: str = "") -> Path:
    """As a download would have it there."""
    folder = repo_folder(models.folder, repo)
    shutil.copytree(checkpoint, folder / "snapshots" / commit)
    if ref:
        (folder / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
        (folder / "refs" / ref).write_text(commit)
    return folder / "snapshots" / commit


@pytest.mark.parametrize("name", [*HOSTILE, *(f"a/b@{one}" for one in HOSTILE_REVISIONS)])
def test_what_is_no_name_is_refused(name: str, models: HubModels, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is not (the name of a model|a revision)"):
        split_name(name)
    with pytest.raises(EngineError):
        find_model(tmp_path, name, models)
    with pytest.raises(EngineError):
        models.find(name)


@pytest.mark.parametrize("name", ["a/b", "A.b-c_d/e.f-1", "a/b@v1.0", f"a/b@{COMMITS[0]}"])
def test_names_come_back(name: str) -> None:
    repo, revision = split_name(name)
    assert model_name(repo, revision) == name


def test_links_and_refs_do_not_lead_out(
    models: HubModels, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """Of a cache that somebody else wrote."""
    folder = put(models, tiny_checkpoint, "a/b", COMMITS[0], "main").parent.parent
    shutil.copytree(tiny_checkpoint, folder / "secret")
    (folder / "snapshots" / "d").symlink_to(folder / "secret")
    for ref, told in (("up", "../secret"), ("full", str(folder / "secret")), ("d", "d")):
        (folder / "refs" / ref).write_text(told)
    (folder / "refs" / "bytes").write_bytes(b"\xff" * 40)
    assert list(models.list()) == ["a/b"]
    for revision in ("up", "full", "d", "bytes"):
        assert models.find(f"a/b@{revision}") is None


@pytest.mark.parametrize(
    ("text", "allowed", "refused"),
    [
        ("off", [], ["a/b"]),
        ("all", ["a/b", "c/d"], []),
        ("a/b", ["a/b", "A/B"], ["a/bc", "c/a", "a/b2"]),
        ("a/*, c/d*", ["a/b", "c/d", "c/d-2"], ["ab/c", "c/e"]),
    ],
)
def test_owner_decides_which(text: str, allowed: list[str], refused: list[str]) -> None:
    models = HubModels.parse(text)
    for name in allowed:
        models.check(name)
        models.check_model(name)
        models.check_model(f"{name}@v1")
    for name in refused:
        for check in (models.check, models.check_model):
            with pytest.raises(EngineError, match=f"{name} may not be used here.*--hub"):
                check(name)
    models.check_model("tabletop")
    models.check_model(None)


@pytest.mark.parametrize("text", ["", ",", "a", "a/b/c", "/a", "*", "a/b;c/d", "ALL"])
def test_what_allows_nothing_clear_is_refused(text: str) -> None:
    with pytest.raises(EngineError, match="--hub is "):
        HubModels.parse(text)


def test_only_what_is_allowed_whole_and_known_is_listed(
    models: HubModels, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    for repo in ("a/b", "c/d"):
        put(models, tiny_checkpoint, repo, COMMITS[0], "main")
    (put(models, tiny_checkpoint, "a/half", COMMITS[0], "main") / "vae" / "config.json").unlink()
    weights = put(models, tiny_checkpoint, "a/gone", COMMITS[0], "main") / "unet"
    next(weights.glob("*.safetensors")).unlink()
    index = put(models, tiny_checkpoint, "a/other", COMMITS[0], "main") / "model_index.json"
    index.write_text('{"_class_name": "FluxPipeline"}')
    (put(models, tiny_checkpoint, "a/broken", COMMITS[0], "main") / "model_index.json").write_text(
        "{"
    )
    shutil.copytree(tiny_checkpoint, models.folder / "datasets--a--b" / "snapshots" / COMMITS[0])
    assert [model.name for model in list_models(tmp_path, models)] == ["a/b", "c/d"]
    some = HubModels(("c/*",), models.cache)
    assert list(some.list()) == ["c/d"]
    with pytest.raises(EngineError, match="a/b may not be used here"):
        find_model(tmp_path, "a/b", some)
    with pytest.raises(EngineError, match="'a/half' is not here, or not whole"):
        find_model(tmp_path, "a/half", models)
    assert HubModels((), models.cache).list() == {}


def test_branch_that_moved_on_leaves_what_is_here(models: HubModels, tiny_checkpoint: Path) -> None:
    old = put(models, tiny_checkpoint, "a/b", COMMITS[0])
    tagged = put(models, tiny_checkpoint, "a/b", COMMITS[1], "v1")
    assert models.list() == {"a/b@v1": tagged, f"a/b@{COMMITS[0]}": old}
    (repo_folder(models.folder, "a/b") / "refs" / "main").write_text(COMMITS[2])
    assert models.list() == {"a/b@v1": tagged, "a/b": old} and models.find("a/b") == old
    new = put(models, tiny_checkpoint, "a/b", COMMITS[2])
    assert models.find("a/b") == new and models.find(f"a/b@{COMMITS[0]}") == old


def test_folder_is_called_as_people_call_the_model(tmp_path: Path) -> None:
    assert name_of(tmp_path / "tabletop") == "tabletop"
    assert name_of(repo_folder(tmp_path, "a/b") / "snapshots" / COMMITS[0]) == "a/b"
