from typing import Any

import pytest

from engine.checkpoints.traits import traits_of

XL, SD = "StableDiffusionXLPipeline", "StableDiffusionPipeline"


@pytest.mark.parametrize(
    ("name", "pipeline", "unet", "scheduler", "expected"),
    [
        ("v1-5", SD, {"cross_attention_dim": 768}, {}, ("Stable Diffusion 1", 25, 7.5)),
        ("v2-1", SD, {"cross_attention_dim": 1024}, {}, ("Stable Diffusion 2", 25, 7.5)),
        ("tabletop", SD, {"cross_attention_dim": 128}, {}, ("Stable Diffusion", 25, 5.0)),
        ("base", XL, {"cross_attention_dim": 2048}, {}, ("SDXL", 30, 5.0)),
        (
            "refiner",
            "StableDiffusionXLImg2ImgPipeline",
            {"cross_attention_dim": 1280},
            {},
            ("SDXL refiner", 30, 5.0),
        ),
        ("stabilityai/sdxl-turbo", XL, {}, {}, ("SDXL, distilled", 4, 1.0)),
        ("sdxl_lightning_2step.safetensors", XL, {}, {}, ("SDXL, distilled", 2, 1.0)),
        ("Hyper-SDXL-1step", XL, {}, {}, ("SDXL, distilled", 1, 1.0)),
        (
            "LCM_Dreamshaper_v7",
            SD,
            {"cross_attention_dim": 768, "time_cond_proj_dim": 256},
            {},
            ("Stable Diffusion 1, distilled", 4, 8.0),
        ),
        (
            "mine",
            SD,
            {"cross_attention_dim": 768},
            {"_class_name": "LCMScheduler"},
            ("Stable Diffusion 1, distilled", 4, 1.0),
        ),
        ("turbocharged", SD, {"cross_attention_dim": 768}, {}, ("Stable Diffusion 1", 25, 7.5)),
        ("ddpm-turbo", "DDPMPipeline", {}, {}, ("Unconditional", 50, 5.0)),
        ("odd", SD, {"cross_attention_dim": [768]}, {}, ("Stable Diffusion", 25, 5.0)),
    ],
)
def test_a_model_is_run_as_its_kind(
    name: str,
    pipeline: str,
    unet: dict[str, Any],
    scheduler: dict[str, Any],
    expected: tuple[str, int, float],
) -> None:
    found = traits_of(name, pipeline, unet, scheduler)
    assert (found.family, found.steps, found.guidance_scale) == expected
