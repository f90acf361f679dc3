import io
from itertools import pairwise

import pytest
from PIL import Image

from engine.service.frames import FrameClock, film_steps, grid, jpeg


@pytest.mark.parametrize(
    ("count", "size"), [(1, (8, 4)), (2, (16, 4)), (3, (16, 8)), (5, (24, 8)), (16, (32, 16))]
)
def test_a_grid_is_nearly_square_and_holds_every_image(count: int, size: tuple[int, int]) -> None:
    images = [Image.new("RGB", (8, 4), (index + 1, 0, 0)) for index in range(count)]
    sheet = grid(images)
    assert sheet.size == size
    colours = set(sheet.getchannel("R").tobytes())
    assert colours - {0} == set(range(1, count + 1))


@pytest.mark.parametrize(
    ("size", "sent"), [((64, 64), (64, 64)), ((1024, 512), (256, 128)), ((300, 900), (85, 256))]
)
def test_frames_are_small(size: tuple[int, int], sent: tuple[int, int]) -> None:
    frame = Image.open(io.BytesIO(jpeg(Image.new("RGB", size))))
    assert (frame.format, frame.size) == ("JPEG", sent)


@pytest.mark.parametrize(("cost", "most"), [(0.0, 8), (0.003, 8), (0.03, 1), (0.3, 1)])
def test_frames_are_few_and_cheap(cost: float, most: int) -> None:
    """most: frames a second, in a run of 20 s with a step each 10 ms; `cost` seconds a frame."""
    now = 0.0

    def preview(step: int) -> list[Image.Image]:
        nonlocal now
        now += cost
        return [Image.new("RGB", (8, 8))]

    frames = FrameClock(lambda: now)
    for step in range(2000):
        now += 0.01
        if frames.due:
            frames.encode(preview, step)
    assert 2 <= frames.frames <= most * 20 + 2
    assert frames.seconds <= 0.03 * now + 2 * cost


@pytest.mark.parametrize("total", [1, 2, 3, 15, 16, 17, 25, 59, 1000])
def test_a_film_has_evenly_spaced_steps_from_the_first_to_the_last(total: int) -> None:
    steps = film_steps(total)
    assert len(steps) == min(16, total)
    assert (steps[0], steps[-1]) == (1, total)
    gaps = [after - before for before, after in pairwise(steps)]
    assert all(gap >= 1 for gap in gaps)
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_film_counts_in_the_cost_and_not_among_the_previews() -> None:
    now = 0.0

    def film(step: int) -> list[Image.Image]:
        nonlocal now
        now += 2.0
        return [Image.new("RGB", (8, 8))]

    frames = FrameClock(lambda: now)
    frame = Image.open(io.BytesIO(frames.encode_film(film, 1)))
    assert (frame.format, frame.size) == ("JPEG", (8, 8))
    assert (frames.seconds, frames.frames, frames.due) == (2.0, 0, True)
