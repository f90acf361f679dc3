"""A small autoencoder that was distilled from a large one (TAESD, Ollin Boer Bohan 2023)."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import configured
from engine.errors import CheckpointError
from engine.models.autoencoder import Autoencoder
from engine.models.autoencoder_kl import DecoderOutput
from engine.models.kernels import Conv2d
from engine.models.layers import activation
from engine.noise import Generators
from engine.outputs import keyed

__all__ = ["AutoencoderTiny", "AutoencoderTinyOutput"]

TILE = 64
LARGEST = 3.0
"""The decoder squeezes latents to these bounds."""


@keyed
class AutoencoderTinyOutput(NamedTuple):
    """latents: (B, latent_channels, h, w)."""

    latents: Tensor


class Activation(nn.Module):
    """An activation function in its place among layers, by which the checkpoint counts them."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.function = activation(name)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.function(hidden)


class Block(nn.Module):
    """Three 3x3 convolutions beside a shortcut."""

    def __init__(self, channels: int, act_fn: str) -> None:
        super().__init__()
        layers = [Conv2d(channels, channels, 3, padding=1) for _ in range(3)]
        acts = [Activation(act_fn) for _ in range(2)]
        self.conv = nn.Sequential(layers[0], acts[0], layers[1], acts[1], layers[2])

    def forward(self, hidden: Tensor) -> Tensor:
        return F.relu(self.conv(hidden).add_(hidden))


class Encoder(nn.Module):
    """Pixels (B, in, H, W) in -1..1 to latents (B, out, h, w)."""

    def __init__(
        self, inputs: int, outputs: int, channels: int, blocks: tuple[int, ...], act_fn: str
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for level, count in enumerate(blocks):
            if level == 0:
                layers.append(Conv2d(inputs, channels, 3, padding=1))
            else:
                layers.append(Conv2d(channels, channels, 3, padding=1, stride=2, bias=False))
            layers += [Block(channels, act_fn) for _ in range(count)]
        layers.append(Conv2d(channels, outputs, 3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers((pixels + 1) / 2)


class Decoder(nn.Module):
    """Latents (B, in, h, w) to pixels (B, out, H, W), in -1..1 but not clamped."""

    def __init__(
        self, inputs: int, outputs: int, channels: int, blocks: tuple[int, ...], act_fn: str
    ) -> None:
        super().__init__()
        layers = [Conv2d(inputs, channels, 3, padding=1), Activation(act_fn)]
        for level, count in enumerate(blocks):
            layers += [Block(channels, act_fn) for _ in range(count)]
            if level < len(blocks) - 1:
                layers.append(nn.Upsample(scale_factor=2))
                layers.append(Conv2d(channels, channels, 3, padding=1, bias=False))
        layers.append(Conv2d(channels, outputs, 3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, latents: Tensor) -> Tensor:
        return self.layers(torch.tanh(latents / LARGEST) * LARGEST) * 2 - 1


class AutoencoderTiny(Autoencoder):
    """Takes the place of an `AutoencoderKL` at a fraction of the cost, with less detail.

    Its latents are those that the diffusion model sees: `scaling_factor` is 1, and nothing is
    drawn.
    """

    only: ClassVar[Mapping[str, Any]] = {"upsample_fn": "nearest", "upsampling_scaling_factor": 2}

    @configured
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        encoder_block_out_channels: tuple[int, ...] = (64, 64, 64, 64),
        decoder_block_out_channels: tuple[int, ...] = (64, 64, 64, 64),
        act_fn: str = "relu",
        *,
        latent_channels: int = 4,
        num_encoder_blocks: tuple[int, ...] = (1, 3, 3, 3),
        num_decoder_blocks: tuple[int, ...] = (3, 3, 3, 1),
        latent_magnitude: float = 3,
        latent_shift: float = 0.5,
        force_upcast: bool = False,
        scaling_factor: float = 1.0,
        shift_factor: float = 0.0,
    ) -> None:
        """All stages of a half have one width; both halves have as many."""
        super().__init__()
        stages = len(num_decoder_blocks)
        for key, widths, counts in (
            ("encoder_block_out_channels", encoder_block_out_channels, num_encoder_blocks),
            ("decoder_block_out_channels", decoder_block_out_channels, num_decoder_blocks),
        ):
            if len(widths) != stages or len(counts) != stages or len(set(widths)) != 1:
                raise CheckpointError(
                    f"{key} is {list(widths)}: needed is one width, once for each of the {stages} "
                    "stages that num_encoder_blocks and num_decoder_blocks have."
                )
        width = encoder_block_out_channels[0]
        self.encoder = Encoder(in_channels, latent_channels, width, num_encoder_blocks, act_fn)
        width = decoder_block_out_channels[0]
        self.decoder = Decoder(latent_channels, out_channels, width, num_decoder_blocks, act_fn)

    @property
    def downscale(self) -> int:
        return 2 ** (len(self.config.num_decoder_blocks) - 1)

    @property
    def tile_latent_min_size(self) -> int:
        return TILE

    def moments(self, pixels: Tensor) -> Tensor:
        return self.encode(pixels).latents

    def draw(self, moments: Tensor, generator: Generators) -> Tensor:
        return moments

    def pixels(self, latents: Tensor) -> Tensor:
        return self.decode(latents).sample

    def encode(self, x: Tensor, return_dict: bool = True) -> AutoencoderTinyOutput:
        """Encode pictures (B, 3, H, W) in -1..1.

        return_dict: taken as callers of diffusers give it; the output is a tuple either way.
        """
        return AutoencoderTinyOutput(self._down(self.encoder, x))

    def decode(
        self, x: Tensor, generator: Generators = None, return_dict: bool = True
    ) -> DecoderOutput:
        """Decode latents (B, latent_channels, h, w).

        generator, return_dict: taken as callers of diffusers give them; nothing is drawn.
        """
        return DecoderOutput(self._up(self.decoder, x))

    def scale_latents(self, x: Tensor) -> Tensor:
        """Latents as colours in 0..1, in which they can be kept as a picture."""
        return (x / (2 * self.config.latent_magnitude) + self.config.latent_shift).clamp(0, 1)

    def unscale_latents(self, x: Tensor) -> Tensor:
        """Latents of such colours."""
        return (x - self.config.latent_shift) * (2 * self.config.latent_magnitude)

    def forward(self, sample: Tensor, return_dict: bool = True) -> DecoderOutput:
        """Encode and decode pictures (B, 3, H, W) by way of latents of 8 bits, as TAESD does.

        return_dict: taken as callers of diffusers give it; the output is a tuple either way.
        """
        colours = (self.scale_latents(self.encode(sample).latents) * 255).round().byte()
        return self.decode(self.unscale_latents(colours / 255.0))
