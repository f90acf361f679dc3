"""The models of the Hub that are in the cache which all libraries share, and who may use which."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self

from engine.checkpoints.kinds import parts_of
from engine.checkpoints.layout import INDEX_NAME
from engine.checkpoints.repository import (
    HUB_NAME,
    Folder,
    find_parts,
    stored_variant,
)
from engine.errors import CheckpointError, EngineError

__all__ = ["ALL", "NO_HUB", "HubModels", "model_name", "name_of", "repo_folder", "split_name"]

MAIN = "main"
COMMIT = re.compile(r"[0-9a-f]{40}")
REVISION = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)
LONGEST = 96
"""Letters of a repository's name, as the Hub has it."""


def split_name(name: str) -> tuple[str, str | None]:
    """The repository and the revision of "name/repository" or "name/repository@revision".

    Raises `CheckpointError` for anything else: what passes can be part of a path.
    """
    repo, at, revision = name.partition("@")
    fits = HUB_NAME.fullmatch(repo) and repo.isascii() and len(repo) <= LONGEST
    if not fits or "--" in repo or ".." in repo or repo.endswith((".", "-")):
        raise CheckpointError(
            f"{name[:200]!r} is not the name of a model on the Hub: give 'name/repository', or "
            "'name/repository@revision', as its page has it."
        )
    if at and (not REVISION.fullmatch(revision) or ".." in revision or len(revision) > 200):
        raise CheckpointError(
            f"{revision[:200]!r} is not a revision of {repo}: give a branch, tag or commit, or "
            "leave it and the @ out."
        )
    return repo, revision or None


def model_name(repo: str, revision: str | None) -> str:
    """The opposite of `split_name`; the default branch goes without saying."""
    return repo if revision in (None, MAIN) else f"{repo}@{revision}"


def repo_folder(cache: Path, repo: str) -> Path:
    """Where the files of a repository lie."""
    return cache / ("models--" + repo.replace("/", "--"))


def name_of(folder: Path) -> str:
    """What a person calls the model in a folder: its own name, or that of its repository."""
    repo = folder.parent.parent.name
    if folder.parent.name != "snapshots" or not repo.startswith("models--"):
        return folder.name
    return repo.removeprefix("models--").replace("--", "/")


@dataclass(frozen=True)
class HubModels:
    """Which models of the Hub may be used here, downloaded or not.

    patterns: names of repositories, where * stands for any letters; none: no model.
    cache: None is the folder that all libraries share.
    """

    patterns: tuple[str, ...] = ()
    cache: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """What "off", "all" or "name/repository, name/*" allow; raises `EngineError`."""
        if text in ("off", "all"):
            return cls(("*",) if text == "all" else ())
        patterns = tuple(part.strip() for part in text.split(",") if part.strip())
        if not patterns or not all(re.fullmatch(r"[\w.*-]+/[\w.*-]+", one) for one in patterns):
            raise EngineError(
                f"--hub is {text!r}: give 'off', 'all', or names of repositories with commas "
                "between, as 'name/repository' or 'name/*'."
            )
        return cls(patterns)

    @property
    def folder(self) -> Path:
        """The cache."""
        # imported for those alone who use the Hub
        from huggingface_hub.constants import HF_HUB_CACHE

        return Path(self.cache or HF_HUB_CACHE)

    def check(self, repo: str) -> None:
        """Raise `EngineError` for a repository that may not be used."""
        if any(fnmatchcase(repo.casefold(), one.casefold()) for one in self.patterns):
            return
        offer = f"allowed are: {', '.join(self.patterns)}" if self.patterns else "none is allowed"
        raise EngineError(
            f"{repo} may not be used here; of the Hub {offer}. Who runs this studio decides it by "
            "--hub."
        )

    def check_model(self, name: object) -> None:
        """Raise `EngineError` for the name of one from the Hub that may not be used; any other
        passes."""
        if isinstance(name, str) and "/" in name:
            self.check(split_name(name)[0])

    def list(self) -> dict[str, Path]:
        """The models that are here whole and can be run: name -> folder."""
        found: dict[str, Path] = {}
        folders = self.folder.glob("models--*--*") if self.patterns else ()
        for folder in sorted(folders, key=lambda folder: folder.name.casefold()):
            repo = folder.name.removeprefix("models--").replace("--", "/")
            try:
                split_name(repo)
                self.check(repo)
            except EngineError:
                continue
            for revision, snapshot in _versions(folder).items():
                found[model_name(repo, revision)] = snapshot
        return found

    def find(self, name: str) -> Path | None:
        """The folder of a model, None if it is not here. Raises `EngineError` for a name that can
        be none and for one that may not be used."""
        repo, revision = split_name(name)
        self.check(repo)
        folder = repo_folder(self.folder, repo)
        if revision and COMMIT.fullmatch(revision):
            snapshot = folder / "snapshots" / revision
            return snapshot if _is_whole(snapshot) else None
        return _versions(folder).get(revision or MAIN)


ALL, NO_HUB = HubModels(("*",)), HubModels()


def _versions(folder: Path) -> dict[str, Path]:
    """The revisions of a repository that are here whole: branch, tag, else commit -> snapshot."""
    snapshots = [path for path in (folder / "snapshots").glob("*") if COMMIT.fullmatch(path.name)]
    whole = {path.name: path for path in snapshots if _is_whole(path)}
    refs = _refs(folder / "refs") if whole else {}
    found = {ref: whole.pop(commit) for ref, commit in refs.items() if commit in whole}
    if MAIN in refs and MAIN not in found and whole:
        # it has moved on since, and of the new commit not everything is here
        newest = max(whole, key=lambda commit: whole[commit].stat().st_mtime)
        found[MAIN] = whole.pop(newest)
    return found | whole


def _refs(folder: Path) -> dict[str, str]:
    """Branches and tags -> the commits that they were when somebody asked last."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    refs = {
        path.relative_to(folder).as_posix(): path.read_text("utf-8", "replace").strip()
        for path in files
    }
    return {ref: commit for ref, commit in refs.items() if COMMIT.fullmatch(commit)}


def _is_whole(folder: Path) -> bool:
    """Whether all that a run needs is here."""
    if not (folder / INDEX_NAME).is_file():
        return False
    try:
        _, parts = parts_of(folder, folder.name)
        for name, files in parts.items():
            find_parts(Folder(folder), {name: files}, stored_variant(folder, name, files))
    except (CheckpointError, OSError):
        return False
    return True
