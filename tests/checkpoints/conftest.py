"""Where models of the stand-in for the Hub go."""

from pathlib import Path

import pytest


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty folder for what is downloaded."""
    return tmp_path / "cache"
