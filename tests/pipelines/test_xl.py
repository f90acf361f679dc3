"""SDXL: from task to task, numbers that a type cannot hold, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import engine
from engine import DiffusionPipeline
from engine.checkpoints.catalog import find_model
from engine.errors import EngineError
from tests.compare import relative_error
from tests.pipelines.parity import blob, oracle_of, painting, parity
from tests.schedulers.oracle import QUIET
from tests.xl import EMBEDDINGS, draw, drawn, put

pytestmark = QUIET

PICTURE, MASK = painting(), blob((12, 20, 44, 52))


@pytest.fixture
def pipeline(tiny_xl_checkpoint: Path) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_xl_checkpoint)


@pytest.fixture
def refiner(tiny_xl_refiner_checkpoint: Path) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_xl_refiner_checkpoint)


def test_every_task_shares_every_component(pipeline: Any, refiner: Any) -> None:
    there = pipeline
    for task, cls in (
        ("image-to-image", "StableDiffusionXLImg2ImgPipeline"),
        ("inpaint", "StableDiffusionXLInpaintPipeline"),
        ("text-to-image", "StableDiffusionXLPipeline"),
        ("inpaint", "StableDiffusionXLInpaintPipeline"),
        ("image-to-image", "StableDiffusionXLImg2ImgPipeline"),
    ):
        there = there.as_task(task)
        assert type(there).__name__ == cls
        assert all(there.components[name] is part for name, part in pipeline.components.items())
    repaint = refiner.as_task("inpaint")
    assert (
        repaint.settings
        == refiner.settings
        == {
            "force_zeros_for_empty_prompt": False,
            "requires_aesthetics_score": True,
        }
    )
    call = {"image": PICTURE, "mask_image": MASK}
    theirs = oracle_of(repaint)
    put("DDIM", repaint, theirs)
    assert parity(repaint, theirs, prompt="a", **call) <= 1e-4
    for task, words in (
        ("text-to-image", "A refiner alone takes an aesthetic score: it does image-to-"),
        ("depth-to-image", "needs a depth_estimator, which a StableDiffusionXLImg2ImgPipeline"),
    ):
        with pytest.raises(EngineError, match=words):
            refiner.as_task(task)


def test_what_a_checkpoint_can_do(
    tiny_xl_checkpoint: Path, tiny_xl_refiner_checkpoint: Path, tiny_xl_inpaint_checkpoint: Path
) -> None:
    found = {
        folder.name: find_model(folder.parent, folder.name).tasks
        for folder in (tiny_xl_checkpoint, tiny_xl_refiner_checkpoint, tiny_xl_inpaint_checkpoint)
    }
    assert found == {
        "tiny-xl": ("text-to-image", "image-to-image", "inpaint"),
        "tiny-xl-refiner": ("image-to-image",),
        "tiny-xl-inpaint": ("inpaint",),
    }
    inpaint = DiffusionPipeline.from_pretrained(tiny_xl_inpaint_checkpoint)
    with pytest.raises(EngineError, match="this one takes 9, as for inpainting"):
        inpaint.as_task("text-to-image")


@pytest.mark.parametrize("force_upcast", [True, False])
def test_an_autoencoder_that_overflows_in_float16_works_in_float32(
    force_upcast: bool, tiny_xl_checkpoint: Path
) -> None:
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_xl_checkpoint, dtype=torch.float16)
    vae = type(pipeline.vae).from_config(pipeline.vae.config, force_upcast=force_upcast).half()
    vae.load_state_dict(pipeline.vae.state_dict())
    pipeline.vae = vae
    found = draw(pipeline, "a")
    scaled = draw(pipeline, "a", output_type="latent") / vae.config.scaling_factor
    assert vae.dtype == torch.float16
    errors = []
    for dtype in (torch.float16, torch.float32):
        with torch.no_grad():
            decoded = vae.to(dtype).decode(scaled).sample.float() / 2 + 0.5
        errors.append(relative_error(found, decoded.clamp(0, 1).movedim(1, -1)))
    right, wrong = reversed(errors) if force_upcast else errors
    assert right <= 1e-5 < wrong


def test_previews_of_an_autoencoder_that_overflows(tiny_xl_checkpoint: Path) -> None:
    pipeline: Any = DiffusionPipeline.from_pretrained(tiny_xl_checkpoint)
    with torch.no_grad():
        pipeline.vae.decoder.conv_out.weight[0].mul_(2e5)
        pipeline.vae.decoder.conv_out.bias[0] = 6e4
    half: Any = type(pipeline.vae).from_config(pipeline.vae.config)
    half.load_state_dict(pipeline.vae.state_dict())
    half.half()
    with torch.no_grad():
        assert not half.decode(drawn(1, 4, 16, 16)).sample.isfinite().all()
    assert half.previewer.weight.isfinite().all()
    assert half.dtype == torch.float16


def test_saved_keys_are_those_of_published_files(pipeline: Any, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path, variant="fp16")
    again = DiffusionPipeline.from_pretrained(tmp_path, variant="fp16")
    assert torch.equal(draw(pipeline, "a"), draw(again, "a"))
    for part, others in (("text_encoder", set()), ("text_encoder_2", {"text_projection.weight"})):
        keys = set(load_file(tmp_path / part / "model.fp16.safetensors"))
        assert "text_model.encoder.layers.0.mlp.fc1.weight" in keys
        assert {key for key in keys if not key.startswith("text_model.")} == others


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"original_size": 1024}, "original_size is 1024: two numbers are needed"),
        ({"target_size": (64, -1)}, "target_size is (64, -1): two numbers are needed"),
        ({"crops_coords_top_left": ("0", 1)}, "crops_coords_top_left is ('0', 1)"),
        ({"negative_target_size": (float("nan"), 1)}, "negative_target_size is (nan, 1)"),
        ({"denoising_end": 1.5}, "denoising_end is 1.5: it must be from 0 to 1"),
        ({"denoising_end": 0.001}, "denoising_end is 0.001, which leaves none of 50 steps"),
        ({"prompt_2": ["a", "b"]}, "prompt_2 has 2 entries for 1 prompts"),
        ({"negative_prompt": "a", "negative_prompt_2": ["a", "b"]}, "negative_prompt_2 has 2"),
        ({"pooled_prompt_embeds": torch.zeros(2, 20)}, "pooled_prompt_embeds has 2 entries"),
        ({"pooled_prompt_embeds": torch.zeros(1, 9)}, "a pooled text of 9 and sizes"),
        ({**EMBEDDINGS, "prompt_2": "a"}, "give either prompt_2 or prompt_embeds"),
        ({**EMBEDDINGS, "negative_pooled_prompt_embeds": None}, "has the shape none, pooled"),
        (
            {"prompt": None, "prompt_embeds": EMBEDDINGS["prompt_embeds"]},
            "pooled_prompt_embeds goes with it",
        ),
        ({"prompt": " "}, "prompt is empty"),
    ],
)
def test_bad_calls_name_the_argument(call: dict[str, Any], words: str, pipeline: Any) -> None:
    with pytest.raises(EngineError) as caught:
        pipeline(**{"prompt": "a"} | call)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"denoising_start": 1.0}, "denoising_start is 1.0, which leaves none of 5 steps"),
        ({"denoising_start": -0.1}, "denoising_start is -0.1: it must be from 0 to 1"),
        ({"denoising_start": 0.6, "denoising_end": 0.6}, "denoising_end is 0.6, which leaves none"),
        ({"aesthetic_score": "good"}, "aesthetic_score is 'good': a number, 0 or more"),
        ({"negative_aesthetic_score": -1.0}, "negative_aesthetic_score is -1.0"),
        ({"prompt_2": "b"}, "prompt_2 has no reader"),
        ({"latents": torch.zeros(2, 4, 16, 16)}, "latents has the shape [2, 4, 16, 16], needed"),
        ({"image": None}, "image is nothing"),
    ],
)
def test_bad_calls_of_a_refiner(call: dict[str, Any], words: str, refiner: Any) -> None:
    with pytest.raises(EngineError) as caught:
        refiner(**{"prompt": "a", "image": PICTURE, "num_inference_steps": 5} | call)
    assert words in str(caught.value)


def test_components_that_do_not_go_together(
    pipeline: Any, tiny_xl_checkpoint: Path, tiny_xl_refiner_checkpoint: Path, tmp_path: Path
) -> None:
    repaint = pipeline.as_task("inpaint")
    with pytest.raises(EngineError, match="image is latents, and what is outside the mask"):
        repaint("a", image=drawn(1, 4, 16, 16), mask_image=MASK)
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "StableDiffusionPipeline": ({}, "addition_embed_type is None, and this one's is 'text_t"),
        "StableDiffusionXLPipeline": ({"text_encoder_2": None}, "no text_encoder_2, or no tok"),
    }
    for cls, (given, words) in cases.items():
        with pytest.raises(EngineError) as caught:
            getattr(engine, cls).from_pretrained(tiny_xl_checkpoint, **given)("a")
        assert words in str(caught.value)
    wrong = {"requires_aesthetics_score": False}
    plain = type(pipeline.as_task("image-to-image"))
    with pytest.raises(
        EngineError, match=r"tells the UNet 68 numbers: .* a target size; and this one takes 60"
    ):
        plain.from_pretrained(tiny_xl_refiner_checkpoint, **wrong)("a", PICTURE)
    index = json.loads((tiny_xl_checkpoint / "model_index.json").read_text())
    index |= {"force_zeros_for_empty_prompt": "yes"}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(EngineError, match="force_zeros_for_empty_prompt is 'yes', not true or"):
        DiffusionPipeline.from_pretrained(tmp_path)
