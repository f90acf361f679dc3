import io
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image, ImageSequence

from engine.service.events import Frame, Saved
from engine.service.frames import jpeg
from ui.film import NO_REEL, Reel, encode_reel
from ui.stage import Parts, Result, build_stage
from ui.stream import View

STEPS = (1, 5, 9)


def reel(folder: Path, count: int = 1, size: tuple[int, int] = (48, 32)) -> Reel:
    """Of a run of 9 steps and so many pictures of this size, its frames of a third of it."""
    small = [Image.new("RGB", (size[0] // 3, size[1] // 3), (step * 25, 0, 0)) for step in STEPS]
    frames = tuple(
        Frame(index=index, total=3, step=step, preview=jpeg(image))
        for index, (step, image) in enumerate(zip(STEPS, small, strict=True))
    )
    saved = []
    for index in range(count):
        path = folder / f"job-{index}.png"
        Image.new("RGB", size, (0, 0, 200)).save(path)
        saved.append(Saved(index=index, seed=index, path=str(path), width=size[0], height=size[1]))
    return Reel.of(View("done", total=9, film=frames, saved=tuple(saved)))


@pytest.mark.parametrize(
    ("count", "size", "kept"),
    [(1, (48, 32), (48, 32)), (2, (48, 32), (96, 32)), (4, (768, 384), (512, 256))],
)
def test_the_animation_ends_with_the_pictures_and_shows_them_longer(
    tmp_path: Path, count: int, size: tuple[int, int], kept: tuple[int, int]
) -> None:
    data = encode_reel(reel(tmp_path, count, size))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("WEBP", kept)
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(image)]
    assert [frame.info["duration"] for frame in frames] == [300, 300, 300, 1500]
    middles = [np.asarray(frame)[kept[1] // 2, kept[0] // 2] for frame in frames]
    assert (middles[0] != middles[1]).any()
    red, _, blue = middles[-1]
    assert red < 20 and blue > 180


def test_a_picture_that_is_gone_makes_no_animation(tmp_path: Path) -> None:
    film = reel(tmp_path)
    (tmp_path / "job-0.png").unlink()
    with pytest.raises(OSError):
        encode_reel(film)


@pytest.fixture
def parts() -> Parts:
    with gr.Blocks():
        return build_stage()


def test_the_slider_walks_from_the_first_frame_to_the_result(tmp_path: Path, parts: Parts) -> None:
    film = reel(tmp_path)
    results = [Result("j", "pictures/s/a.png", "/a.png", "a cube", 1, 48, 32, 9)]
    first = parts.walk(1, film, results, 0)
    assert first[parts.picture]["value"] == film.frames[0].preview
    assert first[parts.film.slider]["label"] == "Step 1 of 9"
    last = parts.walk(3, film, results, 0)
    assert last[parts.picture]["value"] == "pictures/s/a.png"
    assert last[parts.picture]["alt_text"] == "a cube"
    for place, of in ((1, NO_REEL), (0, film), (4, film)):
        assert parts.film.slider not in parts.walk(place, of, results, 0)


def test_the_slider_is_there_for_results_of_the_latest_run(tmp_path: Path, parts: Parts) -> None:
    film = reel(tmp_path, count=2)
    results = [
        Result("j", f"pictures/s/{seed}.png", "/a.png", "a", seed, 48, 32, 9) for seed in range(3)
    ]
    shown = [parts.show(results, index, film)[parts.film.slider] for index in range(3)]
    assert [update["interactive"] for update in shown] == [True, True, False]
    assert shown[0]["value"] == shown[0]["maximum"] == 3
