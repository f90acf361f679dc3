"""A stand-in for the Hub on loopback: what huggingface_hub asks for, served from memory."""

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["Repo", "StandIn", "serving"]

TOKEN = "hf_" + "a" * 34  # the one that opens private and gated repositories
API = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)(?:/(?P<what>revision|tree)/(?P<ref>.+))?")
FILE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<ref>[^/]+)/(?P<file>.+)")


@dataclass
class Repo:
    """commits: hash -> path -> content. refs: branch or tag -> hash. closed: what the Hub calls
    the reason to refuse those without the token, "RepoNotFound" or "GatedRepo"."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    closed: str = ""

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
    ranges: parts of files that were asked for. stop: answer nobody any more."""

    url: str
    repos: dict[str, Repo] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    ranges: list[str] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None

    def repo(self, name: str) -> Repo:
        return self.repos.setdefault(name, Repo())

    def downloads(self) -> list[str]:
        """The files that were sent, in order of name."""
        found = [FILE.fullmatch(asked.removeprefix("GET ")) for asked in self.asked]
        return sorted(match["file"] for match in found if match)


class Handler(BaseHTTPRequestHandler):
    stand_in: StandIn

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.stand_in.asked.append(f"{self.command} {path}")
        match = API.fullmatch(path) or FILE.fullmatch(path)
        repo = self.stand_in.repos.get(match["repo"]) if match else None
        if match is None or repo is None:
            # the Hub does not tell a stranger whether a repository exists
            return self.refuse(401 if not self.known() else 404, "RepoNotFound")
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
        siblings = [{"rfilename": path} for path in files]
        return self.reply({"id": match["repo"], "sha": commit, "siblings": siblings})

    def send_part(self, files: dict[str, bytes], name: str, commit: str) -> None:
        if name not in files:
            return self.refuse(404, "EntryNotFound")
        data, headers = files[name], {"X-Repo-Commit": commit}
        tag = '"' + hashlib.sha256(data).hexdigest() + '"'
        if self.command == "HEAD" and name.endswith(".safetensors"):  # as large files are
            headers |= {"X-Linked-Size": str(len(data)), "X-Linked-ETag": tag}
            store = self.stand_in.url.replace("127.0.0.1", "localhost")  # another host
            headers |= {"Location": f"{store}{self.path}?signed"}
            return self.reply(b"", 302, headers)
        if "Range" in self.headers:
            self.stand_in.ranges.append(self.headers["Range"])
        cut = self.stand_in.cut.pop(name, None) if self.command == "GET" else None
        if self.command == "GET" and cut is None and name in self.stand_in.broken:
            return self.refuse(self.stand_in.broken[name], "")
        start = int(re.sub(r"bytes=(\d+)-", r"\1", self.headers.get("Range", "bytes=0-")))
        status = 206 if start else 200
        return self.reply(data[start:], status, headers | {"ETag": tag}, cut)

    def reply(
        self,
        body: object,
        status: int = 200,
        headers: dict[str, str] | None = None,
        cut: int | None = None,
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[:cut])

    def refuse(self, status: int, code: str) -> None:
        self.reply({"error": code}, status, {"X-Error-Code": code, "X-Error-Message": code})

    def known(self) -> bool:
        """Whether the token was sent, or else to the store, which must not get it, its sign."""
        if self.path.endswith("?signed"):
            return "Authorization" not in self.headers
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def describe(path: str, data: bytes) -> dict[str, object]:
    """An entry of a listing, as the Hub writes it."""
    entry = {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
    if not path.endswith(".safetensors"):
        return entry
    oid = hashlib.sha256(data).hexdigest()
    return entry | {"lfs": {"oid": oid, "size": len(data), "pointerSize": 134}}


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
