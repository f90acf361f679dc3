"""Damaged, incomplete and dangerous checkpoints: an error that names the file and what to do."""

import shutil
from pathlib import Path

import pytest

from engine import DiffusionPipeline
from engine.errors import CheckpointError
from tests.damage import DAMAGES


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(name: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    damage, words = DAMAGES[name]
    folder = tmp_path / "broken"
    shutil.copytree(tiny_checkpoint, folder)
    damage(folder)
    with pytest.raises(CheckpointError) as caught:
        DiffusionPipeline.from_pretrained(folder)
    assert all(word in str(caught.value) for word in words), caught.value


def test_other_formats_are_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="use_safetensors"):
        DiffusionPipeline.from_pretrained(tiny_checkpoint, use_safetensors=False)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a folder"):
        DiffusionPipeline.from_pretrained(tmp_path / "none")
