"""The stand-in for the Hub, in place of the real one, and checkpoints in one file."""

import functools
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.checkpoints.hub import StandIn, serving
from tests.checkpoints.original import Made, make


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


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Made, Path]]:
    """Makes a checkpoint of a family of `TINY`, and its file in half precision, once."""
    folder = tmp_path_factory.mktemp("original")

    @functools.cache
    def of(name: str) -> tuple[Made, Path]:
        made = make(name)
        return made, made.save(folder / f"{name}.safetensors", torch.float16)

    return of
