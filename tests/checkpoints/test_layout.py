"""Which files are a component's, and which of its weights are taken."""

import pytest

from engine.checkpoints.layout import TEXT, pick_weights, stored_weights, weights_of_variants
from engine.errors import CheckpointError

NAMES = [
    "config.json",
    "model.fp16-00001-of-00002.safetensors",
    "model.fp16-00002-of-00002.safetensors",
    "model.fp16.bin",
    "model.non_ema.safetensors",
    "model.safetensors",
    "model.safetensors.bf16.index.json",
    "model.safetensors.index.fp16.json",
    "model.safetensors.index.json",
    "model_other.safetensors",
    "pytorch_model.bin",
]


def test_variants_are_told_from_names() -> None:
    assert weights_of_variants(NAMES, "model") == {
        None: "model.safetensors",
        "bf16": "model.safetensors.bf16.index.json",
        "fp16": "model.safetensors.index.fp16.json",
        "non_ema": "model.non_ema.safetensors",
    }
    assert stored_weights(NAMES, "model", "fp16") == {*NAMES[1:3], NAMES[7]}
    assert stored_weights(NAMES, "model", None) == {NAMES[5], NAMES[8]}


def test_files_of_a_component() -> None:
    assert TEXT.of(NAMES) == [name for name in NAMES if name.startswith(("model.", "config"))]
    assert TEXT.small(NAMES) == ["config.json"]


@pytest.mark.parametrize(
    ("names", "variant", "words"),
    [
        (["model.safetensors", "model.fp16.safetensors"], "bf16", ["None", "'fp16'", "'bf16'"]),
        (["model.fp16.safetensors"], None, ["variant=None", "variant='fp16'"]),
        (["model.bin"], None, ["a/b has only model.bin", "run code", "model.safetensors"]),
        (["model.onnx", "config.json"], "fp16", ["model.onnx", "model.fp16.safetensors"]),
        (["config.json"], None, ["a/b/model.safetensors is missing"]),
        (["model-00001-of-00002.safetensors"], None, ["model.safetensors is missing"]),
    ],
)
def test_what_there_is_instead_is_said(names: list[str], variant: str, words: list[str]) -> None:
    with pytest.raises(CheckpointError) as caught:
        pick_weights(names, "model", variant, "a/b")
    assert all(word in str(caught.value) for word in words), caught.value
