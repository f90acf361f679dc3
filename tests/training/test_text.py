"""The tokenizer knows every word of the captions, and the encoder keeps the published names."""

import pytest
import torch
from safetensors import safe_open
from transformers import CLIPTextModel

from training.captions import WORDS, caption
from training.scene import sample_scenes
from training.text import LENGTH, encode, make_text_encoder, make_tokenizer, save_text_encoder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def test_every_word_is_one_token(tokenizer):
    for word in WORDS:
        if word.isalpha():
            assert len(tokenizer(word).input_ids) == 3, word


def test_captions_fit(tokenizer):
    generator = torch.Generator().manual_seed(0)
    longest = max(len(tokenizer(caption(s, generator)).input_ids) for s in sample_scenes(300, 0))
    assert longest <= LENGTH


@pytest.mark.parametrize("text", ["", "Extraordinary RED étoile 日本", "sphere " * 100])
def test_any_text_has_tokens(tokenizer, text):
    tokens = encode(tokenizer, [text])
    assert tokens.shape == (1, LENGTH)
    assert tokens[0, 0] == tokenizer.bos_token_id and tokens.max() < len(tokenizer)


def test_saved_encoder_has_the_published_names_and_the_same_answers(tokenizer, tmp_path):
    torch.manual_seed(0)
    model = make_text_encoder(len(tokenizer), width=32, layers=1).eval()
    save_text_encoder(model, tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert all(key.startswith("text_model.") for key in file.keys())
    loaded = CLIPTextModel.from_pretrained(tmp_path)
    tokens = encode(tokenizer, ["a red sphere"])
    with torch.no_grad():
        mine, theirs = (m(tokens).last_hidden_state for m in (model, loaded))
    assert (mine - theirs).abs().max() <= 1e-6
