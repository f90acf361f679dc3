"""A repository as the Hub has it now, and the way of its files into the cache of all libraries."""

import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import Timeout
from huggingface_hub import ModelInfo, ResolvedRevision, hf_hub_url
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import WeakFileLock, build_hf_headers

from engine.checkpoints.cached import COMMIT, MAIN, repo_folder, split_name
from engine.checkpoints.hub import Snapshot
from engine.checkpoints.repository import Hub
from engine.checkpoints.transfer import RemoteFile, Transfer, partial
from engine.errors import CheckpointError

__all__ = ["Remote"]

OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Remote(Snapshot):
    """A snapshot whose files are known by size and hash, and come by a transfer.

    They lie where huggingface_hub would put them. repo: what it is called now, where it was
    renamed. info: what the Hub says of the commit.
    """

    info: ModelInfo | None = None

    def __init__(self, repo: str, cache: Path, transfer: Transfer, revision: str | None) -> None:
        """Ask the Hub; raises `CheckpointError`, also with no network."""
        self._cache, self._transfer = cache, transfer
        super().__init__(repo, Hub(revision, cache))
        self._folder = repo_folder(cache, self.repo)
        self.root = self._folder / "snapshots" / self.commit

    @property
    def commit(self) -> str:
        return self._revision.resolved

    @property
    def gated(self) -> bool:
        """Whether its owner has to let people in."""
        return bool(self.info and self.info.gated)

    @property
    def licence(self) -> str:
        """Its name, as the model card has it, or ""."""
        card = self.info and self.info.card_data
        return str(getattr(card, "license_name", None) or getattr(card, "license", None) or "")

    def announced(self, paths: Iterable[str]) -> tuple[RemoteFile, ...]:
        """Those files, as the Hub announces them; raises `CheckpointError`."""
        return tuple(self._announced(path) for path in dict.fromkeys(paths))

    def held(self, file: RemoteFile) -> int:
        """How many bytes of a file are here."""
        if _is_whole(self._blob(file), file) or _is_whole(self.root / file.path, file):
            return file.size
        part = partial(self._blob(file))
        return min(part.stat().st_size, file.size) if part.is_file() else 0

    def fetch(self, files: Iterable[str]) -> Path:
        """As `Source.fetch`; raises TransferStopped too."""
        with self.explained():
            for file in self.announced(files):
                self._fetch(file)
        return self.root

    def note(self, revision: str | None) -> None:
        """Have a branch or tag, None for the default branch, mean this commit with no network."""
        ref = self._folder / "refs" / (revision or MAIN)
        if revision == self.commit:
            return
        with self.explained():
            ref.parent.mkdir(parents=True, exist_ok=True)
            new = ref.with_name(f"{ref.name}.{secrets.token_hex(4)}.tmp")
            new.write_text(self.commit)
            os.replace(new, ref)

    def _resolve(self) -> ResolvedRevision:
        self.info = self._api.model_info(
            self.repo,
            revision=self.hub.revision,
            files_metadata=True,
            timeout=self._transfer.patience,
        )
        self.repo, _ = split_name(str(self.info.id))
        if not COMMIT.fullmatch(str(self.info.sha)):  # it will be part of a path
            raise CheckpointError(f"{self.repo}: the Hub names {self.info.sha!r}, no commit.")
        return ResolvedRevision(str(self.info.sha), self.hub.revision, self.repo)

    def _list(self) -> list[str]:
        return [file.rfilename for file in self._siblings()]

    def _siblings(self) -> Iterable[RepoSibling]:
        return (self.info and self.info.siblings) or ()

    def _named_licence(self) -> str:
        return f"its licence, {self.licence}," if self.licence else super()._named_licence()

    def _announced(self, path: str) -> RemoteFile:
        told = next((file for file in self._siblings() if file.rfilename == path), None)
        if told is None:
            raise self.missing(path)
        size, oid = (told.lfs.size, told.lfs.sha256) if told.lfs else (told.size, told.blob_id)
        if not isinstance(size, int) or size < 0 or not OID.fullmatch(str(oid)):
            raise CheckpointError(
                f"{self.label}: the Hub tells no size and hash of {path}, by which it could be "
                "checked: if HF_ENDPOINT names a mirror, take another."
            )
        return RemoteFile(path, size, str(oid), large=told.lfs is not None)

    def _fetch(self, file: RemoteFile) -> None:
        blob, path = self._blob(file), self.root / file.path
        with self._alone(blob):
            if not _is_whole(blob, file) and not _is_whole(path, file):
                url = hf_hub_url(
                    self.repo, file.path, revision=self.commit, endpoint=self._api.endpoint
                )
                headers = build_hf_headers(token=self.hub.token)
                self._transfer.fetch(url, headers, file, blob)
        if not _is_whole(path, file):
            _link(blob, path)

    def _blob(self, file: RemoteFile) -> Path:
        return self._folder / "blobs" / file.oid

    @contextmanager
    def _alone(self, blob: Path) -> Iterator[None]:
        """Let nobody else fetch the same file meanwhile, other programs included."""
        lock = self._cache / ".locks" / self._folder.name / f"{blob.name}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            while True:
                self._transfer.wait(0)
                with suppress(Timeout):
                    stack.enter_context(WeakFileLock(lock, timeout=0.2))
                    break
            yield


def _link(blob: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.symlink_to(os.path.relpath(blob, path.parent))
    except OSError:  # of a disk that has no links
        os.replace(blob, path)


def _is_whole(path: Path, file: RemoteFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size
