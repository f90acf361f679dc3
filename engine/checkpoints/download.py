"""A model from the Hub into the cache that all libraries share: first the plan, then the files."""

import shutil
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from engine.checkpoints.cached import ALL, HubModels, model_name, split_name
from engine.checkpoints.kinds import parts_of
from engine.checkpoints.layout import INDEX_NAME
from engine.checkpoints.remote import Remote
from engine.checkpoints.repository import find_parts, offered_variants, prefer
from engine.checkpoints.transfer import RemoteFile, Transfer, TransferStopped
from engine.errors import CheckpointError

__all__ = ["BEST", "Download", "Plan", "Progress", "TransferStopped", "plan_download"]

BEST = "best"
"""In place of a variant: fp16 where there is one, else the default."""
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
        plan = self.plan
        plan.check_room(self._cache)
        remote = Remote(plan.repo, self._cache, self._transfer, plan.commit)
        for file in plan.files:
            self._file = file.path
            remote.fetch([file.path])
            self._done = sum(remote.held(one) for one in plan.files)  # others fetch too
        remote.note(plan.revision)
        self._file = ""
        return remote.root

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
    remote = Remote(repo, hub.folder, Transfer(), revision)
    hub.check(remote.repo)  # it may have been renamed
    pipeline, parts = parts_of(remote.fetch([INDEX_NAME]), remote.label)
    offered = offered_variants(remote, parts)
    if variant == BEST:
        variant = prefer(offered) if offered else None
    found = find_parts(remote, parts, variant)
    files = remote.announced([INDEX_NAME, *found.small, *found.large])
    return Plan(
        repo=remote.repo,
        revision=revision,
        commit=remote.commit,
        pipeline=pipeline,
        variant=variant,
        variants=tuple(offered),
        files=files,
        bytes=sum(file.size for file in files),
        here=sum(remote.held(file) for file in files),
        free=_free(hub.folder),
        page=remote.page,
        licence=remote.licence,
        gated=remote.gated,
    )


def _free(folder: Path) -> int:
    """Bytes free on the disk of a folder that may have to be made."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.2f} GB"
