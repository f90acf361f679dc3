"""A stand-in for the Hub on loopback: what huggingface_hub asks for, served from memory."""

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["Repo", "StandIn", "serving"]

TOKEN = "hf_" + "a" * 34  # the one that opens private and gated repositories
API = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)(?:/(?P<what>revision|tree)/(?P<ref>.+))?")
FILE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<ref>[^/]+)/(?P<file>.+)")
SIGNED = "?signed"  # ends the address in the store that large files are sent from


@dataclass
class Repo:
    """commits: hash -> path -> content. refs: branch or tag -> hash. closed: what the Hub calls
    the reason to refuse those without the token, "RepoNotFound" or "GatedRepo". card: what its
    README.md says of it. renamed: what it is called now."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    closed: str = ""
    card: dict[str, Any] = field(default_factory=dict)
    renamed: str = ""

    def commit(self, files: dict[str, bytes], ref: str = "main") -> str:
        """Set a branch to new content; returns the commit."""
        content = json.dumps({path: hashlib.sha1(data).hexdigest() for path, data in files.items()})
        commit = hashlib.sha1(content.encode()).hexdigest()
        self.commits[commit] = dict(files)
        self.refs[ref] = commit
        return commit

    def commit_folder(self, folder: Path, **others: bytes) -> str:
        paths = [path for path in folder.rglob("*") if path.is_file()]
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        return self.commit(files | others)


@dataclass
class StandIn:
    """repos: by name. asked: every request, "GET /path". cut: path -> how many bytes of it to send
    before the connection breaks, once. broken: path -> status to answer to what follows the cut.
    ranges: parts of files that were asked for. altered: path -> what is sent in its place.
    pace: path -> seconds before every 10,000 bytes of it. deaf: ranges are not heeded. stop: answer
    nobody any more."""

    url: str
    repos: dict[str, Repo] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    ranges: list[str] = field(default_factory=list)
    altered: dict[str, bytes] = field(default_factory=dict)
    pace: dict[str, float] = field(default_factory=dict)
    deaf: bool = False
    stop: Callable[[], None] = lambda: None

    def repo(self, name: str) -> Repo:
        return self.repos.setdefault(name, Repo())

    def downloads(self) -> list[str]:
        """The files that were sent, in order of name."""
        found = [FILE.fullmatch(asked.removeprefix("GET ")) for asked in self.asked]
        files = [match["file"] for match in found if match]
        return sorted(
            file.removesuffix(SIGNED) for file in files if is_large(file) <= (SIGNED in file)
        )


class Handler(BaseHTTPRequestHandler):
    stand_in: StandIn

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        signed = SIGNED if self.path.endswith(SIGNED) else ""
        self.stand_in.asked.append(f"{self.command} {path}{signed}")
        match = API.fullmatch(path) or FILE.fullmatch(path)
        repo = self.stand_in.repos.get(match["repo"]) if match else None
        if match is None or repo is None:
            # the Hub does not tell a stranger whether a repository exists
            return self.refuse(401 if not self.known() else 404, "RepoNotFound")
        if repo.renamed:
            new = self.path.replace(match["repo"], repo.renamed)
            return self.reply(b"", 307, {"Location": new})
        gate = repo.closed == "RepoNotFound" or "file" in match.groupdict()
        if repo.closed and gate and not self.known():
            return self.refuse(401 if repo.closed == "RepoNotFound" else 403, repo.closed)
        ref = match["ref"] or "main"
        commit = repo.refs.get(ref, ref)
        if commit not in repo.commits:
            return self.refuse(404, "RevisionNotFound")
        files = repo.commits[commit]
        if "file" in match.groupdict():
            return self.send_part(files, match["file"], commit)
        if match["what"] == "tree":
            return self.reply([*folders(files), *(describe(*file) for file in files.items())])
        about = {"id": match["repo"], "sha": commit, "cardData": repo.card}
        gated = "auto" if repo.closed == "GatedRepo" else False
        blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = [sibling(*file) if blobs else {"rfilename": file[0]} for file in files.items()]
        return self.reply({**about, "gated": gated, "siblings": siblings})

    def send_part(self, files: dict[str, bytes], name: str, commit: str) -> None:
        if name not in files:
            return self.refuse(404, "EntryNotFound")
        data, headers = files[name], {"X-Repo-Commit": commit}
        tag = f'"{oid(name, data)}"'
        data = self.stand_in.altered.get(name, data)
        if is_large(name) and not self.path.endswith(SIGNED):
            headers |= {"X-Linked-Size": str(len(data)), "X-Linked-ETag": tag}
            store = self.stand_in.url.replace("127.0.0.1", "localhost")  # another host
            headers |= {"Location": f"{store}{self.path}{SIGNED}"}
            return self.reply(b"", 302, headers)
        if "Range" in self.headers:
            self.stand_in.ranges.append(self.headers["Range"])
        cut = self.stand_in.cut.pop(name, None) if self.command == "GET" else None
        if self.command == "GET" and cut is None and name in self.stand_in.broken:
            return self.refuse(self.stand_in.broken[name], "")
        asked = "bytes=0-" if self.stand_in.deaf else self.headers.get("Range", "bytes=0-")
        start = int(re.sub(r"bytes=(\d+)-", r"\1", asked))
        status = 206 if start else 200
        pace = self.stand_in.pace.get(name, 0)
        return self.reply(data[start:], status, headers | {"ETag": tag}, cut, pace)

    def reply(
        self,
        body: object,
        status: int = 200,
        headers: dict[str, str] | None = None,
        cut: int | None = None,
        pace: float = 0,
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.write(data[:cut], pace)

    def write(self, data: bytes, pace: float) -> None:
        step = 10_000 if pace else len(data) or 1
        with contextlib.suppress(ConnectionError):  # who asked is gone
            for start in range(0, len(data), step):
                time.sleep(pace)
                self.wfile.write(data[start : start + step])

    def refuse(self, status: int, code: str) -> None:
        self.reply({"error": code}, status, {"X-Error-Code": code, "X-Error-Message": code})

    def known(self) -> bool:
        """Whether the token was sent, or else to the store, which must not get it, its sign."""
        if self.path.endswith(SIGNED):
            return "Authorization" not in self.headers
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def is_large(path: str) -> bool:
    """Whether the Hub keeps a file apart, in a store."""
    return path.removesuffix(SIGNED).endswith(".safetensors")


def describe(path: str, data: bytes) -> dict[str, object]:
    """An entry of a listing, as the Hub writes it."""
    entry = {"type": "file", "path": path, "size": len(data), "oid": git_oid(data)}
    if not is_large(path):
        return entry
    return entry | {"lfs": {"oid": oid(path, data), "size": len(data), "pointerSize": 134}}


def sibling(path: str, data: bytes) -> dict[str, object]:
    """The same as it is written where a repository is described."""
    entry = {"rfilename": path, "size": len(data), "blobId": git_oid(data)}
    if not is_large(path):
        return entry
    return entry | {"lfs": {"sha256": oid(path, data), "size": len(data), "pointerSize": 134}}


def oid(path: str, data: bytes) -> str:
    """The hash that a file goes by: of a large one the SHA-256."""
    return hashlib.sha256(data).hexdigest() if is_large(path) else git_oid(data)


def git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def folders(files: Iterable[str]) -> list[dict[str, object]]:
    """The entries of a listing for the folders that files lie in."""
    paths = {path.rpartition("/")[0] for path in files if "/" in path}
    return [{"type": "directory", "path": path, "oid": ""} for path in sorted(paths)]


@contextlib.contextmanager
def serving() -> Iterator[StandIn]:
    """Serve inside the block; after it nobody answers at the address."""

    class Bound(Handler):
        """The handler of this server alone."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    Bound.stand_in = StandIn(f"http://127.0.0.1:{server.server_address[1]}", stop=stop)
    try:
        yield Bound.stand_in
    finally:
        stop()
