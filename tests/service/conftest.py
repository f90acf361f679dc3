import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.service import Service
from tests.service.stub import StubProcess, StubThread


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with one model that the catalog knows and only a stub can run."""
    files = {
        "model_index.json": {"_class_name": "StableDiffusionPipeline"},
        "unet/config.json": {"sample_size": 16},
        "scheduler/scheduler_config.json": {"num_train_timesteps": 500},
    }
    for name, content in files.items():
        path = tmp_path / "models" / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return tmp_path / "models"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(params=[StubThread, StubProcess])
def service(request: pytest.FixtureRequest, tmp_path: Path, models: Path) -> Iterator[Service]:
    """A started service over a stub engine, in a thread and in a process."""
    made = Service(
        lambda: request.param("cpu", "float32", models), outputs=tmp_path / "out", models=models
    )
    made.start()
    # Till then its process may be born between two phases of a test, where nothing catches its log.
    while made.status["state"] == "starting":
        time.sleep(0.01)
    yield made
    made.stop()
