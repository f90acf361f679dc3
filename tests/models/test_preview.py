"""The preview: close where the autoencoder is linear, of the right size elsewhere."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.images import to_pil
from engine.models import AutoencoderKL
from engine.models.preview import LatentPreview, dead_leaves


class Unshuffle:
    """An autoencoder that only reorders pixels: a linear map can undo it exactly."""

    downscale = 2
    device = torch.device("cpu")
    config = SimpleNamespace(scaling_factor=0.5)

    def encode(self, pixels: Tensor) -> Any:
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=F.pixel_unshuffle(pixels, 2)))

    def decode(self, latents: Tensor) -> Any:
        return SimpleNamespace(sample=F.pixel_shuffle(latents, 2))


def test_linear_autoencoder_is_undone() -> None:
    pictures = dead_leaves(4, 32)
    preview = LatentPreview.fit(Unshuffle())
    shown = preview(F.pixel_unshuffle(pictures, 2) * 0.5)
    for one, other in zip(shown, to_pil(pictures / 2 + 0.5), strict=True):
        error = np.square(np.asarray(one, float) - np.asarray(other, float)).mean() ** 0.5
        assert error <= 2.5, "a linear decoder is followed within 1 % of the range"
    assert np.asarray(shown[0]).std() > 20


def test_size_follows_the_latents() -> None:
    torch.manual_seed(0)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 4),
        norm_num_groups=2,
    ).eval()
    assert vae.previewer is vae.previewer
    [picture] = vae.previewer(torch.randn(1, 4, 8, 12))
    assert picture.size == (48, 32)
