"""Masks that are painted, and the pictures that they are painted on."""

import io

import numpy as np
import pytest
from PIL import Image

from engine.errors import PictureError
from ui.sketch import LEAST, MOST, mask_file, sketch, to_paint_on


def layer(size: tuple[int, int], box: tuple[int, int, int, int], alpha: int = 178) -> bytes:
    image = Image.new("RGBA", size)
    image.paste((255, 45, 120, alpha), box)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_all_that_is_painted_on_any_layer_is_marked() -> None:
    layers = [layer((40, 20), (0, 0, 10, 10)), layer((40, 20), (30, 10, 40, 20), alpha=1)]
    mask = mask_file(layers, (80, 40))
    assert mask is not None
    with Image.open(io.BytesIO(mask)) as image:
        marked = np.asarray(image)
    assert marked.shape == (40, 80) and set(np.unique(marked)) == {0, 255}
    assert marked[:20, :20].all() and marked[20:, 60:].all()
    assert marked.sum() == 255 * 2 * 20 * 20


def test_nothing_painted_is_no_mask() -> None:
    assert mask_file([], (8, 8)) is None
    assert mask_file([layer((8, 8), (0, 0, 8, 8), alpha=0)], (8, 8)) is None
    with pytest.raises(PictureError):
        mask_file([b"no picture"], (8, 8))


@pytest.mark.parametrize("size", [(64, 32), (700, 600), (4000, 20), (1, 1)])
def test_a_picture_is_shown_large_enough_to_paint_on_and_not_larger(size: tuple[int, int]) -> None:
    shown = sketch("Paint").postprocess(to_paint_on(Image.new("L", size)))
    assert shown is not None and shown.background is not None and shown.layers == []
    with Image.open(shown.background.path) as image:
        assert LEAST <= max(image.size) <= MOST
        assert image.width / image.height == pytest.approx(size[0] / size[1], rel=0.05) or (
            min(image.size) < 10
        )
    assert sketch("Paint").postprocess(None) is None
