"""A repository on the Hub, through huggingface_hub and its cache."""

import errno
import glob
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from httpx2 import ConnectError, HTTPError, TransportError
from huggingface_hub import (
    HfApi,
    ResolvedRevision,
    get_cached_repo_tree,
    get_token,
    try_to_load_from_cache,
)
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

LOG_IN = (
    "log in with `hf auth login`, set HF_TOKEN or pass token=...; a token that is set already may "
    "have expired, or not be allowed to read this"
)
EXPLAINED: dict[type[Exception], str] = {
    HFValidationError: "{repo} is neither a folder here nor a name that a repository can have.",
    GatedRepoError: "{repo} is gated: ask for access or accept {licence} at {page}, then " + LOG_IN,
    RepositoryNotFoundError: "{repo} is neither a folder here nor a repository at {page} that is "
    "open to you: check the name; for a private one " + LOG_IN,
    RevisionNotFoundError: "{repo} has no revision {revision!r}: take a branch, tag or commit that "
    "{page} lists, or leave revision out.",
    RevisionResolutionError: "{repo} is not in the cache {cache}, and {offline}.",
    LocalEntryNotFoundError: "{repo} is not complete in the cache {cache}, and {offline}.",
}
"""What the Hub's client raises -> what to say; the first that fits counts."""

SUCCESSORS = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
    **{
        f"stabilityai/{name}": f"sd2-community/{name}"
        for name in (
            "stable-diffusion-2",
            "stable-diffusion-2-base",
            "stable-diffusion-2-depth",
            "stable-diffusion-2-inpainting",
            "stable-diffusion-2-1",
            "stable-diffusion-2-1-base",
        )
    },
}
"""Repositories that were withdrawn, and where the same files are now."""


class Snapshot:
    """A repository at one commit: every file is of that commit, whatever is pushed meanwhile.

    With no network the commit that the cache has for the revision is taken.
    """

    def __init__(self, repo: str, hub: Hub) -> None:
        """Find the commit; raises `CheckpointError`."""
        self.repo = repo
        self.hub = hub
        # huggingface_hub reads the variable at its import, too early for one that a notebook sets
        endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
        self._api = HfApi(endpoint=endpoint, token=hub.token)
        _check_token(hub.token)
        with self.explained():
            self._revision = self._resolve()
        self.label = f"{self.repo} (commit {self._revision.resolved[:8]})"
        self._files: list[str] | None = None

    def names(self, folder: str) -> set[str]:
        with self.explained():
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
        with self.explained():
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
                raise self.missing(file)
        return root

    @property
    def page(self) -> str:
        """The address where a person reads about the repository."""
        return f"{self._api.endpoint}/{self.repo}"

    def missing(self, file: str) -> CheckpointError:
        """What to raise where a file is not there."""
        return CheckpointError(
            f"{self.label}/{file} is missing: the repository is not complete, or not in the "
            "diffusers layout."
        )

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what goes wrong on the way to the Hub into a `CheckpointError`."""
        try:
            yield
        except (OSError, HTTPError, HFValidationError, RevisionResolutionError) as error:
            raise CheckpointError(self._explain(error)) from error

    def _resolve(self) -> ResolvedRevision:
        return self._api.resolve_revision(
            self.repo,
            revision=self.hub.revision,
            cache_dir=self.hub.cache_dir,
            local_files_only=self.hub.local_files_only,
        )

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

    def _explain(self, error: Exception) -> str:
        if isinstance(error, RepositoryNotFoundError) and self.repo in SUCCESSORS:
            return f"{self.repo} was withdrawn; the same files are now {SUCCESSORS[self.repo]}."
        for kind, words in EXPLAINED.items():
            if isinstance(error, kind):
                return words.format(
                    repo=self.repo,
                    page=self.page,
                    licence=self._named_licence(),
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
                f"{self.repo}: the disk of the cache {cache} is full: make room, or keep the cache "
                "elsewhere by HF_HOME or cache_dir=..."
            )
        if isinstance(error, OfflineModeIsEnabled | ConnectError):
            return f"{self.repo}: {self._offline(error)}."
        return (
            f"{self.repo}: the download did not finish ({error}): run it again; "
            "files that are complete are kept."
        )

    def _named_licence(self) -> str:
        return "its licence"

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


def _check_token(given: str | bool | None) -> None:
    """Refuse one that no header can carry, before an error of another library shows it."""
    token = given if isinstance(given, str) else None if given is False else get_token()
    if token and not re.fullmatch(r"[!-~]+", token):
        raise CheckpointError(
            "The token for the Hub has characters that no token has: look at HF_TOKEN or "
            "`hf auth login`, and copy it anew."
        )
