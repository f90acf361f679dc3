"""Where models of the stand-in for the Hub go, and checkpoints in one file."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.checkpoints.original import Made, make


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty folder for what is downloaded."""
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Made, Path]]:
    """Makes a checkpoint of a family of `TINY`, and its file in half precision, once."""
    folder = tmp_path_factory.mktemp("original")

    @functools.cache
    def of(name: str) -> tuple[Made, Path]:
        made = make(name)
        return made, made.save(folder / f"{name}.safetensors", torch.float16)

    return of
