"""One's own pictures go through the same stages."""

import pytest
import torch
from PIL import Image

from training.captions import WORDS, other_sides
from training.dataset import import_pictures, load_scenes, load_shards
from training.diffusion import scene_weights, tell, words_of
from training.text import make_tokenizer


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (60, 40), (200, 10, 10)).save(folder / "a.png")
    Image.new("RGBA", (32, 64), (10, 10, 200, 255)).save(folder / "b.webp")
    (folder / "a.txt").write_text("a zebra on the left\n")
    (folder / "b.txt").write_text("a yak")
    return folder


def test_pictures_become_shards(pictures, tmp_path):
    assert import_pictures(pictures, tmp_path / "data", 32) == 2
    images = load_shards(tmp_path / "data")
    assert images.shape == (2, 3, 32, 32) and images.dtype == torch.uint8
    assert images[0].float().mean((1, 2)).argmax() == 0
    captions = load_scenes(tmp_path / "data")
    assert captions == ["a zebra on the left", "a yak"]
    assert [tell(text, torch.Generator()) for text in captions] == captions
    assert scene_weights(captions).tolist() == [1, 1]
    tokenizer = make_tokenizer(tmp_path / "tokenizer", words_of(captions))
    assert len(tokenizer("zebra").input_ids) == len(tokenizer("yak").input_ids) == 3
    assert len(words_of([])) == len(WORDS)


def test_mirrored_captions():
    assert other_sides("left of a leftover, right") == "right of a leftover, left"


def test_what_is_missing_is_said(pictures, tmp_path):
    (pictures / "b.txt").write_text(" ")
    with pytest.raises(ValueError, match=r"b\.webp has no caption: write it into .*b\.txt"):
        import_pictures(pictures, tmp_path / "data", 32)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no pictures"):
        import_pictures(tmp_path / "empty", tmp_path / "data", 32)
