"""The quicktour as it stands, and beside it the same script on diffusers: the same pictures."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.compare import relative_error
from tests.repository import ROOT

TOUR = ROOT / "tests" / "quicktour.py"
LIBRARIES = ("engine", "diffusers")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has the bundled models where the script looks for them."""
    folder = tmp_path_factory.mktemp("tour")
    (folder / "assets").mkdir()
    (folder / "assets" / "models").symlink_to(ROOT / "assets" / "models")
    return folder


@pytest.fixture(scope="module")
def tours(place: Path) -> dict[str, dict[str, Any]]:
    """What each library leaves: the names of the script."""
    source = TOUR.read_text(encoding="utf-8")
    assert source.count("from engine import") == 1
    seen = {}
    for library in LIBRARIES:
        folder = place / library
        folder.mkdir()
        (folder / "assets").symlink_to(place / "assets")
        script = folder / "quicktour.py"
        script.write_text(source.replace("from engine import", f"from {library} import"))
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            seen[library] = runpy.run_path(str(script))
    return seen


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


@pytest.mark.parametrize("name", ["noisy_sample", "noisy_residual", "less_noisy_sample", "sample"])
def test_tensors_are_those_of_diffusers(name: str, tours: dict[str, dict[str, Any]]) -> None:
    ours, theirs = (tours[library][name].cpu() for library in LIBRARIES)
    assert relative_error(ours, theirs) <= 1e-4
    assert ours.std() > 0.1


@pytest.mark.usefixtures("tours")
def test_pictures_are_those_of_diffusers(place: Path) -> None:
    names = ["sphere", "sphere-euler", *(f"step-{step:04}" for step in range(50, 1001, 50))]
    for name in names:
        ours, theirs = (opened(place / library / f"{name}.png") for library in LIBRARIES)
        assert abs(ours - theirs).max() <= 2, name
        assert ours.std() > 5, name


def test_the_scheduler_was_swapped_and_matters(tours: dict[str, dict[str, Any]]) -> None:
    tour = tours["engine"]
    assert type(tour["pipeline"].scheduler).__name__ == "EulerDiscreteScheduler"
    first, second = (np.asarray(tour[name]).astype(int) for name in ("image", "euler_image"))
    assert abs(first - second).max() > 2


def test_what_is_printed_says_what_it_is(tours: dict[str, dict[str, Any]]) -> None:
    tour = tours["engine"]
    assert '"UNet2DConditionModel"' in repr(tour["pipeline"])
    assert repr(tour["scheduler"]).startswith("DDPMScheduler {")
    assert tour["model"].config.sample_size == tour["sample"].shape[-1]
    with pytest.raises(TypeError, match="frozen"):
        tour["model"].config.sample_size = 1
