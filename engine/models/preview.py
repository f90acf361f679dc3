"""A cheap look at latents: a small stand-in for an autoencoder's decoder, fitted in closed form."""

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
PICTURES = 12
LEAVES = 20
MAX_PATCH = 4
FEATURES = 256
RIDGE = 1e-3


@dataclass(frozen=True)
class LatentPreview:
    """A map from a latent and its eight neighbours to a patch of pixels.

    It is linear in the latents and in random features of them (Rahimi and Recht 2007), so that it
    is fitted by least squares, and yet follows colours that are not linear in the latents.

    features: (F, C * 9 + 1), of which the positive part is taken.
    weight: (3 * patch**2, C * 9 + 1 + F).
    """

    features: Tensor
    weight: Tensor
    patch: int

    @classmethod
    @torch.no_grad()
    def fit(cls, vae: "AutoencoderKL") -> "LatentPreview":
        """Fit to what the decoder makes of the latents of generated pictures."""
        scale = vae.downscale
        patch = min(scale, MAX_PATCH)
        latents, pixels = [], []
        for picture in dead_leaves(PICTURES, CELLS * scale).split(1):
            mean = vae.encode(picture.to(vae.device)).latent_dist.mean
            latents.append(mean.float().cpu() * vae.config.scaling_factor)
            pixels.append(vae.decode(mean).sample.float().cpu().clamp(-1, 1))
        features = _random_features(latents[0].shape[1])
        inputs = _inputs(torch.cat(latents), features).transpose(1, 2).flatten(0, 1).double()
        targets = F.unfold(F.avg_pool2d(torch.cat(pixels), scale // patch), patch, stride=patch)
        gram = inputs.T @ inputs
        diagonal = gram.diagonal()
        # In proportion to each column; a little more for features that are never positive.
        diagonal.mul_(1 + RIDGE).add_(1e-6 * diagonal.mean())
        moments = inputs.T @ targets.transpose(1, 2).flatten(0, 1).double()
        return cls(features, torch.linalg.solve(gram, moments).T.float(), patch)

    def __call__(self, latents: Tensor) -> list[Image.Image]:
        """Turn scaled latents (B, C, h, w) into B pictures of (h * patch, w * patch) pixels."""
        height, width = (side * self.patch for side in latents.shape[2:])
        inputs = _inputs(latents.float(), self.features.to(latents.device))
        patches = self.weight.to(latents.device) @ inputs
        pixels = F.fold(patches, (height, width), self.patch, stride=self.patch)
        return to_pil(pixels / 2 + 0.5)


def _random_features(channels: int) -> Tensor:
    """Draw weights (FEATURES, channels * 9 + 1), most of each on the latent in the middle."""
    generator = torch.Generator().manual_seed(0)
    window = torch.tensor([[0.2, 0.35, 0.2], [0.35, 1.0, 0.35], [0.2, 0.35, 0.2]])
    drawn = torch.randn(FEATURES, channels * 9 + 1, generator=generator)
    return drawn * torch.cat([window.flatten().repeat(channels), torch.ones(1)])


def _inputs(latents: Tensor, features: Tensor) -> Tensor:
    """Stack each latent with its neighbours, a one, and the features of those: (B, n, h * w)."""
    padded = F.pad(latents, (1, 1, 1, 1), mode="replicate")
    near = F.pad(F.unfold(padded, 3), (0, 0, 0, 1), value=1.0)
    return torch.cat([near, F.relu(features @ near)], dim=1)


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
