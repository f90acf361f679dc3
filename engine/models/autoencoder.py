"""What pipelines ask of an autoencoder, whichever it is."""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from engine.models.kernels import enter, leave
from engine.models.model import Model
from engine.models.preview import LatentPreview
from engine.models.tiles import run_in_tiles
from engine.noise import Generators

__all__ = ["Autoencoder"]

SMALLEST_TILE = 4
"""Latents to a side, of which a quarter is shared with the next tile."""


class Autoencoder(Model):
    """Between pixels and latents.

    Height and width of a picture are those of its latents times `downscale`. Its configuration has
    `latent_channels`, and `scaling_factor`, by which latents are multiplied where a diffusion model
    sees them.
    """

    use_slicing = False
    """Whether pictures are encoded and decoded one after another."""
    use_tiling = False
    """Whether large ones are in tiles, whose overlaps are blended."""

    @property
    def downscale(self) -> int:
        """Pixels to a side of one latent."""
        raise NotImplementedError

    @property
    def tile_latent_min_size(self) -> int:
        """Latents to a side of a tile; what is no larger is not cut."""
        raise NotImplementedError

    def moments(self, pixels: Tensor) -> Tensor:
        """What `draw` makes latents of, for pictures (B, 3, H, W) in -1..1.

        (B, n, h, w); the first `latent_channels` of the n are the most likely latents.
        """
        raise NotImplementedError

    def draw(self, moments: Tensor, generator: Generators) -> Tensor:
        """Latents (B, latent_channels, h, w), drawn where the autoencoder leaves a choice."""
        raise NotImplementedError

    def pixels(self, latents: Tensor) -> Tensor:
        """Decode latents (B, latent_channels, h, w), already divided by `scaling_factor`."""
        raise NotImplementedError

    @cached_property
    def previewer(self) -> LatentPreview:
        """A cheap stand-in for decoding, fitted at first use and kept."""
        return LatentPreview.fit(self)

    def enable_slicing(self) -> None:
        """Encode and decode one picture after another: memory does not grow with their number."""
        self.use_slicing = True

    def disable_slicing(self) -> None:
        """Encode and decode all pictures at once again."""
        self.use_slicing = False

    def enable_tiling(self) -> None:
        """Encode and decode large pictures in tiles: memory hardly grows with their size.

        Each tile is normalised by itself, so that colours may differ a little from the whole.
        """
        self.use_tiling = True

    def disable_tiling(self) -> None:
        """Encode and decode large pictures whole again."""
        self.use_tiling = False

    def _down(self, encode: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
        """Run an encoder as slicing and tiling say."""
        return self._run(encode, pixels, self.downscale, 1 / self.downscale)

    def _up(self, decode: Callable[[Tensor], Tensor], latents: Tensor) -> Tensor:
        """Run a decoder as slicing and tiling say."""
        return self._run(decode, latents, 1, self.downscale)

    def _run(
        self, run: Callable[[Tensor], Tensor], values: Tensor, unit: int, scale: float
    ) -> Tensor:
        """unit: values to a side of one latent. scale: of a side of what `run` returns."""
        if self.use_slicing and len(values) > 1:
            return torch.cat([self._run(run, one, unit, scale) for one in values.split(1)])
        side = max(self.tile_latent_min_size, SMALLEST_TILE)
        if not self.use_tiling or max(values.shape[2:]) <= side * unit:
            return leave(run(enter(values, self.dtype)), self.dtype)
        step = side * 3 // 4
        return run_in_tiles(
            lambda tile: leave(run(enter(tile, self.dtype)), self.dtype),
            values,
            side * unit,
            step * unit,
            scale,
        )
