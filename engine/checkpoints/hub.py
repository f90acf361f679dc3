"""A repository on the Hub, through huggingface_hub and its cache."""

import errno
import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from httpx2 import HTTPError, TransportError
from huggingface_hub import HfApi, get_cached_repo_tree, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_CACHE, is_offline_mode
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)

from engine.checkpoints.repository import Hub
from engine.errors import CheckpointError

__all__ = ["Snapshot"]

LOG_IN = "log in with `hf auth login`, or pass token=..."
EXPLAINED: dict[type[Exception], str] = {
    HFValidationError: "{repo} is neither a folder here nor a name that a repository can have.",
    GatedRepoError: "{repo} is gated: ask for access or accept its licence at {page}, then "
    + LOG_IN,
    RepositoryNotFoundError: "{repo} is neither a folder here nor a repository at {page} that is "
    "open to you: check the name; for a private one " + LOG_IN,
    RevisionNotFoundError: "{repo} has no revision {revision!r}: take a branch, tag or commit that "
    "{page} lists, or leave revision out.",
    RevisionResolutionError: "{repo} is not in the cache {cache}, and {offline}.",
    LocalEntryNotFoundError: "{repo} is not complete in the cache {cache}, and {offline}.",
}
"""What the Hub's client raises -> what to say; the first that fits counts."""


class Snapshot:
    """A repository at one commit: every file is of that commit, whatever is pushed meanwhile.

    With no network the commit that the cache has for the revision is taken.
    """

    def __init__(self, repo: str, hub: Hub) -> None:
        """Find the commit; raises `CheckpointError`."""
        self.repo = repo
        self.hub = hub
        # huggingface_hub reads the variable at its import, too early for one that a notebook sets
        self._api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=hub.token)
        with self._explained():
            self._revision = self._api.resolve_revision(
                repo,
                revision=hub.revision,
                cache_dir=hub.cache_dir,
                local_files_only=hub.local_files_only,
            )
        self.label = f"{repo} (commit {self._revision.resolved[:8]})"
        self._files: list[str] | None = None

    def names(self, folder: str) -> set[str]:
        with self._explained():
            if self._files is None:
                self._files = self._list()
        split = [file.rpartition("/") for file in self._files]
        return {name for parent, _, name in split if parent == folder}

    def fetch(self, files: Iterable[str]) -> Path:
        """Download what the cache lacks, with progress bars; what fails leaves no half file."""
        wanted = list(files)
        commit, cache = self._revision.resolved, self.hub.cache_dir
        cached = [try_to_load_from_cache(self.repo, file, cache, commit) for file in wanted]
        here = all(isinstance(path, str) for path in cached)
        with self._explained():
            root = Path(
                self._api.snapshot_download(
                    self.repo,
                    revision=self._revision,
                    cache_dir=cache,
                    allow_patterns=[glob.escape(file) for file in wanted],
                    local_files_only=here or self.hub.local_files_only,
                )
            )
        for file in wanted:
            if not (root / file).is_file():
                raise CheckpointError(
                    f"{self.label}/{file} is missing: the repository is not complete, or not in "
                    "the diffusers layout."
                )
        return root

    def _list(self) -> list[str]:
        """The paths of all files of the commit; with no network those that are cached."""
        with suppress(CachedRepoTreeNotFoundError):
            tree = get_cached_repo_tree(
                self.repo, revision=self._revision, cache_dir=self.hub.cache_dir
            )
            return [file.path for file in tree]
        if not self.hub.local_files_only:
            with suppress(TransportError, OfflineModeIsEnabled):
                # the client would go on asking for a tree for half a minute
                info = self._api.model_info(self.repo, revision=self._revision.resolved)
                return [file.rfilename for file in info.siblings or ()]
        root = Path(
            self._api.snapshot_download(
                self.repo,
                revision=self._revision,
                cache_dir=self.hub.cache_dir,
                local_files_only=True,
            )
        )
        self.label += ", as far as it is cached"
        return [file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what goes wrong on the way to the Hub into a `CheckpointError`."""
        try:
            yield
        except (OSError, HTTPError, HFValidationError, RevisionResolutionError) as error:
            raise CheckpointError(self._explain(error)) from error

    def _explain(self, error: Exception) -> str:
        for kind, words in EXPLAINED.items():
            if isinstance(error, kind):
                return words.format(
                    repo=self.repo,
                    page=f"{self._api.endpoint}/{self.repo}",
                    revision=self.hub.revision,
                    cache=self.hub.cache_dir or HF_HUB_CACHE,
                    offline=self._offline(error),
                )
        if isinstance(error, HfHubHTTPError):
            status = error.response.status_code
            if status in (401, 403):
                return f"{self.repo} was refused by the Hub ({status}): {LOG_IN}"
            return f"{self.repo}: the Hub answered {status}: try again later."
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            cache = self.hub.cache_dir or HF_HUB_CACHE
            return (
                f"{self.repo}: the disk of the cache {cache} is full: make room, or set cache_dir."
            )
        return (
            f"{self.repo}: the download did not finish ({error}): run it again; "
            "files that are complete are kept."
        )

    def _offline(self, error: Exception) -> str:
        if self.hub.local_files_only:
            return "local_files_only=True forbids asking the Hub: leave it out to download"
        if is_offline_mode():
            return "HF_HUB_OFFLINE forbids asking the Hub: unset it to download"
        reason = error.__cause__ or error
        return (
            f"the Hub could not be reached ({reason}): connect to the network, or give a folder "
            "with the model in it"
        )
