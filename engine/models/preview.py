"""A cheap look at latents: the best linear stand-in for an autoencoder's decoder."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engine.images import to_pil

if TYPE_CHECKING:
    from engine.models.autoencoder_kl import AutoencoderKL

__all__ = ["LatentPreview"]

CELLS = 16
PICTURES = 8
LEAVES = 60
MAX_PATCH = 4
RIDGE = 1e-4


@dataclass(frozen=True)
class LatentPreview:
    """A linear map from a latent and its eight neighbours to a patch of pixels.

    weight: (3 * patch**2, C * 9 + 1), the last column for a constant.
    """

    weight: Tensor
    patch: int

    @classmethod
    @torch.no_grad()
    def fit(cls, vae: "AutoencoderKL") -> "LatentPreview":
        """Fit by least squares on generated pictures that the encoder turns into latents."""
        scale = vae.downscale
        patch = min(scale, MAX_PATCH)
        pictures = dead_leaves(PICTURES, CELLS * scale)
        latents = torch.cat(
            [vae.encode(one[None].to(vae.device)).latent_dist.mean for one in pictures]
        )
        inputs = _neighbours(latents.float().cpu() * vae.config.scaling_factor).double()
        pixels = F.avg_pool2d(pictures, scale // patch)
        targets = F.unfold(pixels, patch, stride=patch).transpose(1, 2).flatten(0, 1).double()
        inputs = inputs.transpose(1, 2).flatten(0, 1)
        # A little ridge, for channels that the generated pictures hardly use.
        gram = inputs.T @ inputs
        gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram)).double()
        weight = torch.linalg.solve(gram, inputs.T @ targets).T
        return cls(weight.float(), patch)

    def __call__(self, latents: Tensor) -> list[Image.Image]:
        """Turn scaled latents (B, C, h, w) into B pictures of (h * patch, w * patch) pixels."""
        height, width = (side * self.patch for side in latents.shape[2:])
        patches = self.weight.to(latents.device) @ _neighbours(latents.float())
        pixels = F.fold(patches, (height, width), self.patch, stride=self.patch)
        return to_pil(pixels / 2 + 0.5)


def _neighbours(latents: Tensor) -> Tensor:
    """Stack each latent with its neighbours and a one: (B, C * 9 + 1, h * w)."""
    padded = F.pad(latents, (1, 1, 1, 1), mode="replicate")
    return F.pad(F.unfold(padded, 3), (0, 0, 0, 1), value=1.0)


def dead_leaves(count: int, side: int) -> Tensor:
    """Make pictures (count, 3, side, side) in -1..1 with the statistics of natural ones.

    Discs of random colour and place cover each other, small ones more often than large ones
    (Lee, Mumford and Huang 2001). The same pictures at every call.
    """
    generator = torch.Generator().manual_seed(0)
    grid = torch.arange(side) / side
    pictures = torch.rand(count, 3, 1, 1, generator=generator).expand(-1, -1, side, side) * 2 - 1
    for _ in range(LEAVES):
        draw = torch.rand(count, 6, 1, 1, generator=generator)
        x, y, colour = draw[:, 0], draw[:, 1], draw[:, 3:] * 2 - 1
        radius = 0.05 / (1 - 0.9 * draw[:, 2])
        inside = (grid[None, :, None] - y) ** 2 + (grid[None, None, :] - x) ** 2 < radius**2
        pictures = torch.where(inside[:, None], colour, pictures)
    return pictures
