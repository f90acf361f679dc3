import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import EngineError, PictureError
from engine.images import as_maps, as_pixels, to_pil, to_tensor


def test_colour_and_grey() -> None:
    ramp = torch.tensor([-1.0, 0.0, 0.5, 2.0]).expand(2, 3, 1, 4)
    for pixels, mode in ((ramp, "RGB"), (ramp[:, :1], "L")):
        pictures = to_pil(pixels)
        assert [picture.mode for picture in pictures] == [mode, mode]
        assert pictures[0].convert("L").tobytes() == bytes([0, 0, 128, 255])


def test_other_numbers_of_channels_are_no_pictures() -> None:
    with pytest.raises(EngineError, match="4 channels"):
        to_pil(torch.zeros(1, 4, 2, 2))


def test_pixels_of_every_kind_are_the_same() -> None:
    picture = Image.fromarray(np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3))
    array = np.asarray(picture, np.float32) / 255
    tensor = torch.from_numpy(array).movedim(-1, 0)
    kinds = [picture, [picture], picture.convert("RGBA"), array, array[None], [array], tensor]
    expected = 2 * tensor[None] - 1
    for value in (*kinds, tensor[None], [tensor], [tensor[None]], expected):
        torch.testing.assert_close(as_pixels("image", value, 8), expected)
    assert as_pixels("image", [array, array], 4, (12, 4)).shape == (2, 3, 4, 12)
    assert as_pixels("image", Image.new("RGB", (21, 17)), 8).shape == (1, 3, 16, 16)


def test_maps_of_every_kind_are_the_same() -> None:
    ramp = np.arange(12, dtype=np.float32).reshape(3, 4)
    tensor = torch.from_numpy(ramp)
    picture = Image.fromarray(ramp)
    for value in (ramp, [ramp], ramp[None], ramp[..., None][None], tensor, tensor[None, None]):
        assert torch.equal(as_maps("depth_map", value, to_tensor), tensor[None, None])
    read = as_maps("depth_map", [picture, picture], lambda one: to_tensor(one) * 255)
    torch.testing.assert_close(read, tensor.expand(2, 1, 3, 4))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, "image is a int: give a Pillow picture"),
        ([], "image is nothing"),
        (None, "image is nothing"),
        (np.zeros((0, 8, 3)), "image has the shape"),
        ([np.zeros((8, 8, 3)), np.zeros((8, 9, 3))], "pictures of different sizes"),
        (torch.zeros(3, 7, 8), "image is 8 x 7 pixels: 8 x 8 are the least"),
        (torch.zeros(1).expand(3, 8000, 8000), "image has more than 40,000,000 pixels"),
    ],
)
def test_what_makes_no_pixels(value: object, words: str) -> None:
    with pytest.raises(PictureError) as caught:
        as_pixels("image", value, 8)
    assert words in str(caught.value)
