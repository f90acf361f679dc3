"""A model from the Hub into the cache that all libraries share: first the plan, then the files."""

import os
import re
import shutil
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout
from huggingface_hub.utils import WeakFileLock

from engine.checkpoints.cached import ALL, HubModels, model_name, repo_folder, split_name
from engine.checkpoints.hub import Snapshot
from engine.checkpoints.kinds import parts_of
from engine.checkpoints.layout import INDEX_NAME
from engine.checkpoints.repository import Hub, find_parts, offered_variants, prefer
from engine.checkpoints.transfer import RemoteFile, Transfer, TransferStopped, partial
from engine.errors import CheckpointError

__all__ = ["BEST", "Download", "Plan", "Progress", "TransferStopped", "plan_download"]

BEST = "best"
"""In place of a variant: fp16 where there is one, else the default."""
OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MARGIN = 500_000_000
"""Bytes that a download leaves free on the disk."""


@dataclass(frozen=True)
class Plan:
    """What a download would do.

    repo: as it is called now, where it was renamed. revision: as it was asked for. commit: of it.
    pipeline: class named in the index. variant: that is fetched; variants: those to choose from;
    None is the default one. files: all that a run needs, nothing that can run code.
    bytes: of them; here: of these the bytes that are in the cache already; free: on its disk.
    page: the address where the repository is described. licence: its name, "" if that is not told.
    gated: whether its owner has to let people in; who sees a plan has been.
    """

    repo: str
    revision: str | None
    commit: str
    pipeline: str
    variant: str | None
    variants: tuple[str | None, ...]
    files: tuple[RemoteFile, ...]
    bytes: int
    here: int
    free: int
    page: str
    licence: str
    gated: bool

    @property
    def name(self) -> str:
        """By which the list of models has it afterwards."""
        return model_name(self.repo, self.revision)

    @property
    def lacking(self) -> int:
        """Bytes that would have to be made free first, 0 if none."""
        left = self.bytes - self.here
        return max(0, left + MARGIN - self.free) if left else 0

    def check_room(self, cache: Path) -> None:
        """Raise `CheckpointError` if the disk of the cache does not hold it."""
        if self.lacking:
            raise CheckpointError(
                f"{self.name} needs {_gigabytes(self.bytes - self.here)} more in {cache}, where "
                f"{_gigabytes(self.free)} are free, and {_gigabytes(MARGIN)} are to stay so: make "
                "room, or keep the cache on another disk by HF_HOME."
            )


@dataclass(frozen=True)
class Progress:
    """done: bytes here of total. file: in hand, "" before the first and after the last. speed:
    bytes a second, over the last few. left: seconds to the end at that speed, None for unknown."""

    done: int
    total: int
    file: str = ""
    speed: float = 0.0
    left: float | None = None


class Download:
    """Carries a plan out. `progress` and `cancel` are for other threads while `run` works.

    hub: where what is downloaded lies.
    """

    window = 5.0
    """Seconds over which speed is measured."""

    def __init__(self, plan: Plan, hub: HubModels = ALL) -> None:
        self.plan = plan
        self._cache = hub.folder
        self._transfer = Transfer(self._count)
        self._file, self._done = "", plan.here
        self._moments: deque[tuple[float, int]] = deque([(time.monotonic(), plan.here)], 1_000)

    @property
    def progress(self) -> Progress:
        now, done, total = time.monotonic(), self._done, self.plan.bytes
        moments = self._moments.copy()
        since, before = next(
            (moment for moment in moments if moment[0] >= now - self.window), moments[-1]
        )
        speed = max(0.0, (done - before) / max(now - since, 0.1))
        left = (total - done) / speed if speed else None
        return Progress(done, total, self._file, speed, left)

    def cancel(self) -> None:
        """Have `run` end by TransferStopped. What is here stays for the next time."""
        self._transfer.stop()

    def run(self) -> Path:
        """Fetch what is not here yet; returns the folder of the model.

        Raises `CheckpointError` saying what to do, and TransferStopped.
        """
        self.plan.check_room(self._cache)
        snapshot = Snapshot(self.plan.repo, Hub(self.plan.commit, self._cache))
        root = repo_folder(self._cache, self.plan.repo) / "snapshots" / self.plan.commit
        with snapshot.explained():
            for file in self.plan.files:
                self._file = file.path
                self._fetch(snapshot, file, root / file.path)
        self._file = ""
        return root

    def _fetch(self, snapshot: Snapshot, file: RemoteFile, path: Path) -> None:
        blob = _blob(self._cache, self.plan.repo, file)
        with self._alone(blob):
            if not _is_here(blob, file) and not _is_here(path, file):
                url, headers = snapshot.request(file.path)
                self._transfer.fetch(url, headers, file, blob)
        if not _is_here(path, file):
            _link(blob, path)

    @contextmanager
    def _alone(self, blob: Path) -> Iterator[None]:
        """Let nobody else fetch the same file meanwhile, other programs included."""
        lock = self._cache / ".locks" / blob.parent.parent.name / f"{blob.name}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            while True:
                self._transfer.wait(0)
                with suppress(Timeout):
                    stack.enter_context(WeakFileLock(lock, timeout=0.2))
                    break
            yield

    def _count(self, arrived: int) -> None:
        self._done += arrived
        now = time.monotonic()
        if now - self._moments[-1][0] > 0.1:
            self._moments.append((now, self._done))


def plan_download(name: str, variant: str | None = BEST, hub: HubModels = ALL) -> Plan:
    """Ask the Hub what a download would do; fetches nothing but the index.

    name: "name/repository" or "name/repository@revision". variant: such as "fp16"; None is the
    default one. Raises `EngineError` for what may not be used or cannot be run here, and for what
    the Hub refuses, with the licence and the page of a repository that is gated.
    """
    repo, revision = split_name(name)
    hub.check(repo)
    snapshot = Snapshot(repo, Hub(revision, hub.folder))
    if snapshot.info.id != repo:  # renamed
        repo, _ = split_name(snapshot.info.id)
        hub.check(repo)
        snapshot = Snapshot(repo, Hub(revision, hub.folder))
    root = snapshot.fetch([INDEX_NAME])
    pipeline, parts = parts_of(root, snapshot.label)
    offered = offered_variants(snapshot, parts)
    if variant == BEST:
        variant = prefer(offered) if offered else None
    found = find_parts(snapshot, parts, variant)
    files = _announced(snapshot, [INDEX_NAME, *found.small, *found.large])
    return Plan(
        repo=repo,
        revision=revision,
        commit=snapshot.commit,
        pipeline=pipeline,
        variant=variant,
        variants=tuple(offered),
        files=files,
        bytes=sum(file.size for file in files),
        here=sum(
            _bytes_here(_blob(hub.folder, repo, file), root / file.path, file) for file in files
        ),
        free=_free(hub.folder),
        page=snapshot.page,
        licence=snapshot.licence,
        gated=bool(snapshot.info.gated),
    )


def _announced(snapshot: Snapshot, paths: Iterable[str]) -> tuple[RemoteFile, ...]:
    """Those files, with the sizes and hashes that the Hub says; raises `CheckpointError`."""
    siblings = {file.rfilename: file for file in snapshot.info.siblings or ()}
    files = []
    for path in dict.fromkeys(paths):
        told = siblings[path]
        size, oid = (told.lfs.size, told.lfs.sha256) if told.lfs else (told.size, told.blob_id)
        if not isinstance(size, int) or size < 0 or not OID.fullmatch(str(oid)):
            raise CheckpointError(
                f"{snapshot.label}: the Hub tells no size and hash of {path}, by which it could be "
                "checked: if HF_ENDPOINT names a mirror, take another."
            )
        files.append(RemoteFile(path, size, str(oid), large=told.lfs is not None))
    return tuple(files)


def _blob(cache: Path, repo: str, file: RemoteFile) -> Path:
    return repo_folder(cache, repo) / "blobs" / file.oid


def _link(blob: Path, path: Path) -> None:
    """Have a blob at its place in the snapshot, as huggingface_hub does it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.symlink_to(os.path.relpath(blob, path.parent))
    except OSError:  # of a disk that has no links
        os.replace(blob, path)


def _is_here(path: Path, file: RemoteFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size


def _bytes_here(blob: Path, path: Path, file: RemoteFile) -> int:
    if _is_here(blob, file) or _is_here(path, file):
        return file.size
    part = partial(blob)
    return min(part.stat().st_size, file.size) if part.is_file() else 0


def _free(folder: Path) -> int:
    """Bytes free on the disk of a folder that may have to be made."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.2f} GB"
