"""What comes of numbers that a type cannot hold."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import EngineError
from engine.pipelines.stable_diffusion import StableDiffusionPipeline

ARGUMENTS = {"prompt": "a red ball", "num_inference_steps": 2, "output_type": "np"}


@pytest.fixture
def pipeline(tiny_checkpoint: Path) -> StableDiffusionPipeline:
    return StableDiffusionPipeline.from_pretrained(tiny_checkpoint, dtype=torch.float16)


def draw(pipeline: StableDiffusionPipeline, **more: object) -> np.ndarray:
    generator = torch.Generator().manual_seed(1)
    return pipeline(generator=generator, **(ARGUMENTS | more)).images


def test_an_autoencoder_that_overflows_decodes_in_float32(
    pipeline: StableDiffusionPipeline,
) -> None:
    last = pipeline.vae.decoder.conv_out
    assert last.bias is not None
    with torch.no_grad():
        last.weight[0].mul_(2e5)
        last.bias[0] = 6e4
    latents = draw(pipeline, output_type="latent")
    scaled = latents / pipeline.vae.config.scaling_factor
    with torch.no_grad():
        assert not torch.isfinite(pipeline.vae.decode(scaled).sample).all()
    image = draw(pipeline)
    assert np.isfinite(image).all()
    assert pipeline.vae.dtype == torch.float16
    pipeline.vae.float()
    with torch.no_grad():
        wide = (pipeline.vae.decode(scaled).sample / 2 + 0.5).clamp(0, 1)
    assert np.abs(image - wide.permute(0, 2, 3, 1).numpy()).max() <= 1e-5


def test_latents_that_are_no_numbers_end_in_words_not_in_a_black_picture(
    pipeline: StableDiffusionPipeline,
) -> None:
    with torch.no_grad():
        pipeline.unet.conv_out.weight.fill_(torch.nan)
    with pytest.raises(EngineError, match="no numbers in float16: run it in float32"):
        draw(pipeline)
    pipeline.to(torch.float32)
    with pytest.raises(EngineError, match="no numbers in float32: lower the guidance"):
        draw(pipeline)
