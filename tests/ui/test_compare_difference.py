import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ui.compare.difference import differences, psnr


def test_equal_pictures_are_infinitely_alike() -> None:
    picture = np.full((4, 6, 3), 200, np.uint8)
    assert psnr(picture, picture) == math.inf


@pytest.mark.parametrize(
    ("error", "decibels"), [(1, 48.1308), (16, 24.0484), (255, 0.0)]
)  # 20 log10(255 / error)
def test_psnr_is_that_of_an_even_error(error: int, decibels: float) -> None:
    dark = np.zeros((4, 6, 3), np.uint8)
    assert abs(psnr(dark, dark + np.uint8(error)) - decibels) <= 1e-3
    assert psnr(dark + np.uint8(error), dark) == psnr(dark, dark + np.uint8(error))


def test_every_picture_is_compared_to_the_reference(tmp_path: Path) -> None:
    paths = {}
    for index, level in enumerate((10, 10, 26)):
        paths[index] = str(tmp_path / f"{index}.png")
        Image.new("RGB", (8, 4), (level,) * 3).save(paths[index])
    found = differences(paths, 0)
    assert found[1] == math.inf and abs(found[2] - 24.0484) <= 1e-3
    assert differences(paths, 2).keys() == {0, 1}
    assert differences(paths, 3) == {}
