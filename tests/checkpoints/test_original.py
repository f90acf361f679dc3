"""The original layout: full-size checkpoints by their headers, other files, text, predictions."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from engine import AutoencoderKL, UNet2DConditionModel
from engine.checkpoints import single_file
from engine.checkpoints.original.families import FAMILIES
from engine.checkpoints.original.foreign import describe
from engine.checkpoints.original.prediction import BIAS, INPUT, prediction_of
from engine.checkpoints.original.tokenizer import clip_tokenizer
from engine.checkpoints.single_file import SingleFile
from engine.errors import CheckpointError, EngineError
from tests.checkpoints.original import (
    original_autoencoder,
    original_open_clip,
    original_unet,
    prefixed,
    published_clip,
)
from tests.models.published import AUTOENCODERS, CONDITIONAL

VIT_L: dict[str, Any] = {
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
VIT_H = VIT_L | {
    "hidden_act": "gelu",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 23,
    "projection_dim": 512,
}
VIT_G = VIT_H | {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
}
"""Text encoders as the published folders have them."""
FIRST, SECOND = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
ONE = {"cond_stage_model.transformer.": VIT_L}
TWO = {"cond_stage_model.model.": VIT_H}
XL = {FIRST: VIT_L, SECOND: VIT_G}
FULL_SIZE: dict[str, tuple[str, str, dict[str, dict[str, Any]]]] = {
    "Stable Diffusion 1.5": ("Stable Diffusion 1.5", "epsilon", ONE),
    "Stable Diffusion 1.5 inpainting": ("Stable Diffusion 1.5", "epsilon", ONE),
    "Stable Diffusion 2.1": ("Stable Diffusion 2.1", "v_prediction", TWO),
    "Stable Diffusion 2 depth": ("Stable Diffusion 1.5", "epsilon", TWO),
    "Stable Diffusion 2 inpainting": ("Stable Diffusion 1.5", "epsilon", TWO),
    "Stable Diffusion XL": ("Stable Diffusion XL", "epsilon", XL),
    "Stable Diffusion XL refiner": (
        "Stable Diffusion XL",
        "epsilon",
        {"conditioner.embedders.0.model.": VIT_G},
    ),
}
"""UNet -> autoencoder, prediction, prefix and settings of the text encoders."""


def shapes(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_files_have_the_tensors_and_settings_of_the_published_folders(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    autoencoder, prediction, texts = FULL_SIZE[name]
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel.from_config(CONDITIONAL[name])
        vae = diffusers.AutoencoderKL.from_config(AUTOENCODERS[autoencoder])
        header = prefixed("model.diffusion_model.", original_unet(unet.state_dict(), 2))
        header |= prefixed("first_stage_model.", original_autoencoder(vae.state_dict()))
        networks: dict[str, Any] = {"unet": unet, "vae": vae}
        for prefix, settings in texts.items():
            head = settings is VIT_G
            kind = CLIPTextModelWithProjection if head else CLIPTextModel
            encoder = kind(CLIPTextConfig(**settings))
            networks["text_encoder_2" if head else "text_encoder"] = encoder
            state = published_clip(encoder)
            if prefix.endswith(".model."):
                state = original_open_clip(state, unused=int(settings is VIT_H))
            header |= prefixed(prefix, state)
    monkeypatch.setattr(single_file, "read_header", lambda path: shapes(header))
    file = SingleFile(Path("model.safetensors"), prediction)
    assert file.parts.keys() == networks.keys()
    for part, network in networks.items():
        text = part.startswith("text")
        state = published_clip(network) if text else network.state_dict()
        assert file.parts[part].shapes == shapes(state)
        found = file.settings(part)
        if text:
            assert CLIPTextConfig(**found).to_dict() | {"architectures": None} == (
                network.config.to_dict() | {"architectures": None}
            )
        else:
            ours = UNet2DConditionModel if part == "unet" else AutoencoderKL
            published = CONDITIONAL[name] if part == "unet" else AUTOENCODERS[autoencoder]
            with torch.device("meta"):
                made, expected = ours.from_config(found), ours.from_config(published)
            different = {
                key
                for key in expected.config
                if made.config[key] != expected.config[key] and key not in ("upcast_attention",)
            }
            assert not different


FOREIGN = {
    "a LoRA": "lora_unet_down_blocks_0_attentions_0.lora_up.weight",
    "a LoRA:": "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight",
    "an embedding": "emb_params",
    "an embedding (": "clip_g",
    "a ControlNet": "control_model.input_blocks.0.0.weight",
    "a motion module": "down_blocks.0.motion_modules.0.temporal_transformer.norm.weight",
    "an IP-Adapter": "image_proj.proj.weight",
    "a Flux": "double_blocks.0.img_attn.norm.key_norm.scale",
    "a Flux checkpoint": "model.diffusion_model.single_blocks.0.linear1.weight",
    "a Stable Diffusion 3": "model.diffusion_model.joint_blocks.0.x_block.attn.proj.weight",
    "a Stable Cascade": "clip_txt_mapper.weight",
    "a diffusion model of another kind": "model.diffusion_model.head.modulation",
    "a UNet alone": "down_blocks.0.resnets.0.conv1.weight",
    "a UNet alone,": "input_blocks.1.0.in_layers.2.weight",
    "an autoencoder alone": "encoder.down.0.block.0.conv1.weight",
    "an autoencoder alone:": "encoder.down_blocks.0.resnets.0.conv1.weight",
    "a text encoder alone": "text_model.embeddings.token_embedding.weight",
    "a Playground 2.5": "edm_mean",
    "as CosXL": "edm_vpred.sigma_max",
    "a Stable unCLIP": "embedder.model.visual.proj",
    "a Stable Diffusion x4 upscaler": "model.diffusion_model.label_emb.weight",
    "nothing known (its first tensors are blocks.0.weight)": "blocks.0.weight",
}


@pytest.mark.parametrize("words", FOREIGN)
def test_other_files_are_named(words: str, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({FOREIGN[words]: torch.zeros(2, 2)}, path)
    with pytest.raises(CheckpointError) as caught:
        SingleFile(path)
    assert f"{path} looks like" in str(caught.value) and words in str(caught.value)


def test_an_empty_file_is_nothing_known() -> None:
    assert "(its first tensors are none)" in describe([])


SPREAD = torch.tensor([-0.2, 0.2])
PREDICTIONS: list[tuple[str, dict[str, torch.Tensor], str]] = [
    ("1", {}, "epsilon"),
    ("1", {"v_pred": torch.zeros(0)}, "v_prediction"),
    ("XL", {}, "epsilon"),
    ("XL", {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, "v_prediction"),
    ("2", {}, "v_prediction"),
    ("2", {INPUT: torch.zeros(320, 5, 3, 3)}, "epsilon"),
    ("2", {"global_step": torch.tensor(875000)}, "epsilon"),
    ("2", {"global_step": torch.tensor(220000, dtype=torch.int32)}, "epsilon"),
    ("2", {"global_step": torch.tensor([110000])}, "v_prediction"),
    ("2", {"global_step": torch.tensor(140000)}, "v_prediction"),
    ("2", {"global_step": torch.tensor(1), BIAS: SPREAD / 4}, "epsilon"),
    *(
        ("2", {INPUT: torch.zeros(320, 4, 3, 3), BIAS: values.to(dtype)}, prediction)
        for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
        for values, prediction in ((SPREAD, "v_prediction"), (SPREAD / 4, "epsilon"))
    ),
    ("2", {BIAS: torch.zeros(2, dtype=torch.uint8)}, "v_prediction"),
]


@pytest.mark.parametrize(("family", "tensors", "expected"), PREDICTIONS)
def test_prediction(
    family: str, tensors: dict[str, torch.Tensor], expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    assert prediction_of(path, shapes(tensors), FAMILIES[family]) == expected
    for given in ("epsilon", "v_prediction"):
        assert prediction_of(path, shapes(tensors), FAMILIES[family], given) == given
    with pytest.raises(EngineError, match="prediction_type is 'noise'; choose one of: epsilon, v_"):
        prediction_of(path, shapes(tensors), FAMILIES[family], "noise")


def test_marks_of_a_fine_tune_reach_the_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel.from_config(CONDITIONAL["Stable Diffusion XL"])
    header = shapes(prefixed("model.diffusion_model.", original_unet(unet.state_dict(), 2)))
    for marks, spacing in (({}, "leading"), ({"v_pred": (0,), "ztsnr": (0,)}, "trailing")):
        monkeypatch.setattr(single_file, "read_header", lambda path, more=marks: header | more)
        settings = SingleFile(Path("model.safetensors")).settings("scheduler")
        assert settings["timestep_spacing"] == spacing
        assert settings["prediction_type"] == ("v_prediction" if marks else "epsilon")
        assert settings.get("rescale_betas_zero_snr", False) == bool(marks)


def test_a_unet_for_other_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        config = CONDITIONAL["Stable Diffusion 1.5"] | {"in_channels": 8}
        unet = diffusers.UNet2DConditionModel.from_config(config)
    header = shapes(prefixed("model.diffusion_model.", original_unet(unet.state_dict(), 2)))
    monkeypatch.setattr(single_file, "read_header", lambda path: header)
    with pytest.raises(CheckpointError, match="takes 8 channels; known are 4, 9"):
        SingleFile(Path("pix2pix.safetensors")).index()


ASTRONAUT = "a photo of an astronaut riding a horse on mars"
TOKENS = [49406, 320, 1125, 539, 550, 18376, 6765, 320, 4558, 525, 7496, 49407]
PROMPTS = [
    ASTRONAUT,
    "Don't  PANIC!",
    "naïve café, 日本語 & emoji 🙂",
    "",
    "1girl, (best:1.2)",
    "!",
]


@pytest.mark.parametrize(("pad", "number"), [("<|endoftext|>", 49407), ("!", 0)])
def test_tokenizer_is_the_published_one(pad: str, number: int, tmp_path: Path) -> None:
    tokenizer = clip_tokenizer(pad)
    assert (len(tokenizer), tokenizer.model_max_length) == (49408, 77)
    padded = tokenizer(ASTRONAUT, padding="max_length").input_ids
    assert padded == TOKENS + [number] * (77 - len(TOKENS))
    words = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(words["vocab"]))
    merges = "\n".join(" ".join(pair) for pair in words["merges"])
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    settings = {"model_max_length": 77, "pad_token": pad, "tokenizer_class": "CLIPTokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    published = CLIPTokenizer.from_pretrained(tmp_path)
    for prompt in PROMPTS:
        options = {"padding": "max_length", "truncation": True}
        assert tokenizer(prompt, **options) == published(prompt, **options)
    tokenizer.save_pretrained(tmp_path / "saved")
    again = CLIPTokenizer.from_pretrained(tmp_path / "saved")
    assert again(PROMPTS).input_ids == tokenizer(PROMPTS).input_ids
    text = tokenizer.decode(tokenizer("a red cube").input_ids, skip_special_tokens=True)
    assert text == "a red cube"
    assert len(words["merges"]) == 48894 and list(words["vocab"].values()) == [*range(49408)]
