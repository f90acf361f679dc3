"""The models at hand, by name and never by path."""

import json
import shutil
from pathlib import Path

import pytest

from engine.checkpoints.catalog import find_model, list_models
from engine.errors import EngineError
from tests.damage import edit


def test_lists_what_can_be_read(tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "model_index.json").write_text("{")
    (tmp_path / "empty").mkdir()
    [model] = list_models(tmp_path)
    assert (model.name, model.width, model.height) == ("good", 64, 64)
    assert model.tasks == ("text-to-image", "image-to-image", "inpaint")
    assert model.scheduler == "DDIMScheduler"
    settings = json.loads((tiny_checkpoint / "scheduler/scheduler_config.json").read_text())
    assert model.scheduler_config == settings and settings["_class_name"] == "DDIMScheduler"
    assert model.bytes > 10_000
    assert find_model(tmp_path, "good") == model
    assert list_models(tmp_path / "none") == []


def test_flat_checkpoint_has_the_size_of_its_unet(
    tiny_ddpm_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "flat"
    shutil.copytree(tiny_ddpm_checkpoint, folder)
    [model] = list_models(tmp_path)
    assert (model.width, model.height, model.scheduler) == (16, 16, "DDPMScheduler")
    assert model.tasks == ("unconditional",)
    edit("config.json", sample_size=[24, 40])(folder)
    [model] = list_models(tmp_path)
    assert (model.width, model.height) == (40, 24)


@pytest.mark.parametrize("name", ["", ".", "..", "../tiny", "/etc", "a/b", "a\\b", "tiny/../tiny"])
def test_paths_are_refused(name: str, tiny_checkpoint: Path) -> None:
    with pytest.raises(EngineError, match="not a path"):
        find_model(tiny_checkpoint.parent, name)


@pytest.mark.parametrize("scheduler", [[], ["diffusers"], "DDIMScheduler", None])
def test_a_spoilt_index_does_not_spoil_the_list(
    scheduler: object, tiny_ddpm_checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_ddpm_checkpoint, tmp_path / "flat")
    edit("model_index.json", scheduler=scheduler)(tmp_path / "flat")
    assert [model.name for model in list_models(tmp_path)] == ["flat"]


def test_a_name_too_long_for_a_file_is_unknown(tiny_checkpoint: Path) -> None:
    with pytest.raises(EngineError, match="not in the models folder"):
        find_model(tiny_checkpoint.parent, "a" * 300)


def test_unknown_name_suggests_the_nearest(tiny_checkpoint: Path) -> None:
    with pytest.raises(EngineError, match="Did you mean 'tiny'"):
        find_model(tiny_checkpoint.parent, "tinny")
