"""The stand-in for the Hub, in place of the real one."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkpoints.hub import StandIn, serving


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty folder for what is downloaded."""
    return tmp_path / "cache"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A Hub on loopback; no other address can be looked up meanwhile."""
    look_up = socket.getaddrinfo

    def only_here(host: object, *args: object, **kwargs: object) -> object:
        assert host in ("127.0.0.1", "localhost"), f"{host} was asked"
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)
    with serving() as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
        yield stand_in
