import pytest
import torch

from engine.errors import EngineError
from engine.images import to_pil


def test_colour_and_grey() -> None:
    ramp = torch.tensor([-1.0, 0.0, 0.5, 2.0]).expand(2, 3, 1, 4)
    for pixels, mode in ((ramp, "RGB"), (ramp[:, :1], "L")):
        pictures = to_pil(pixels)
        assert [picture.mode for picture in pictures] == [mode, mode]
        assert pictures[0].convert("L").tobytes() == bytes([0, 0, 128, 255])


def test_other_numbers_of_channels_are_no_pictures() -> None:
    with pytest.raises(EngineError, match="4 channels"):
        to_pil(torch.zeros(1, 4, 2, 2))
