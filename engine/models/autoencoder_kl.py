"""The autoencoder between pixels and latents."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from engine.config import configured
from engine.errors import CheckpointError
from engine.models.attention import PixelAttention
from engine.models.kernels import Conv2d, GroupNorm, enter, leave
from engine.models.layers import Downsample2D, ResnetBlock2D, Upsample2D, activation
from engine.models.model import Model
from engine.models.preview import LatentPreview
from engine.noise import Generators, draw_noise
from engine.outputs import keyed

__all__ = ["AutoencoderKL", "AutoencoderKLOutput", "DecoderOutput", "DiagonalGaussian"]

EPS = 1e-6


class DiagonalGaussian:
    """The distribution of latents that the encoder returns."""

    def __init__(self, parameters: Tensor) -> None:
        """parameters: (B, 2 * latent_channels, h, w), means and log variances."""
        self.mean, logvar = parameters.chunk(2, dim=1)
        self.logvar = logvar.clamp(-30.0, 20.0)

    @property
    def std(self) -> Tensor:
        """Standard deviations, (B, latent_channels, h, w)."""
        return (0.5 * self.logvar).exp()

    @property
    def var(self) -> Tensor:
        """Variances, (B, latent_channels, h, w)."""
        return self.logvar.exp()

    def mode(self) -> Tensor:
        """The most likely latents, (B, latent_channels, h, w)."""
        return self.mean

    def sample(self, generator: Generators = None) -> Tensor:
        """Latents drawn with a generator or one a picture, else from torch's global one."""
        noise = draw_noise(self.mean.shape, generator, self.mean.device, self.mean.dtype)
        return self.mean + self.std * noise

    def kl(self, other: "DiagonalGaussian | None" = None) -> Tensor:
        """Divergence in nats from another, or the unit Gaussian, (B,) (Kingma and Welling 2013)."""
        other = other or DiagonalGaussian(self.mean.new_zeros(1, 2, 1, 1))
        squares = ((self.mean - other.mean) ** 2 + self.var) / other.var
        return 0.5 * (squares - 1.0 - self.logvar + other.logvar).sum(dim=[1, 2, 3])

    def nll(self, sample: Tensor, dims: Sequence[int] = (1, 2, 3)) -> Tensor:
        """Negative logarithm of the density at a sample (B, latent_channels, h, w), over dims."""
        squares = (sample - self.mean) ** 2 / self.var
        return 0.5 * (math.log(2 * math.pi) + self.logvar + squares).sum(dim=list(dims))


@keyed
class AutoencoderKLOutput(NamedTuple):
    """latent_dist: the distribution of the latents of each picture."""

    latent_dist: DiagonalGaussian


@keyed
class DecoderOutput(NamedTuple):
    """sample: (B, 3, H, W), in -1..1 but not clamped."""

    sample: Tensor


class Stage(nn.Module):
    """Residual blocks, then a change of size where there is one."""

    def __init__(self, resnet: partial[ResnetBlock2D], inputs: list[int], channels: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnet(width, channels) for width in inputs)

    def forward(self, hidden: Tensor) -> Tensor:
        for resnet in self.resnets:
            hidden = resnet(hidden)
        for name in ("downsamplers", "upsamplers"):
            for resize in getattr(self, name, nn.ModuleList()):
                hidden = resize(hidden)
        return hidden


class MidBlock(nn.Module):
    """Residual block, attention over the pixels unless left out, residual block."""

    def __init__(
        self, resnet: partial[ResnetBlock2D], channels: int, groups: int, attention: bool
    ) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(
            [PixelAttention(channels, 1, groups, EPS)] if attention else []
        )
        self.resnets = nn.ModuleList(resnet(channels, channels) for _ in range(2))

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = self.resnets[0](hidden)
        for attention in self.attentions:
            hidden = attention(hidden)
        return self.resnets[1](hidden)


class Encoder(nn.Module):
    """Pixels (B, in, H, W) to the parameters of a Gaussian (B, 2 * latent, h, w)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: list[int],
        layers: int,
        groups: int,
        attention: bool,
        act_fn: str,
    ) -> None:
        super().__init__()
        resnet = partial(ResnetBlock2D, temb_channels=None, groups=groups, eps=EPS, act_fn=act_fn)
        self.conv_in = Conv2d(inputs, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList()
        channels = widths[0]
        for level, width in enumerate(widths):
            stage = Stage(resnet, [channels] + [width] * (layers - 1), width)
            if level < len(widths) - 1:
                stage.downsamplers = nn.ModuleList([Downsample2D(width, padding=0)])
            self.down_blocks.append(stage)
            channels = width
        self.mid_block = MidBlock(resnet, channels, groups, attention)
        self.conv_norm_out = GroupNorm(groups, channels, EPS)
        self.conv_out = Conv2d(channels, 2 * outputs, 3, padding=1)
        self.act = activation(act_fn)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = self.conv_in(hidden)
        for block in self.down_blocks:
            hidden = block(hidden)
        hidden = self.mid_block(hidden)
        return self.conv_out(self.act(self.conv_norm_out(hidden)))


class Decoder(nn.Module):
    """Latents (B, latent, h, w) to pixels (B, out, H, W)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: list[int],
        layers: int,
        groups: int,
        attention: bool,
        act_fn: str,
    ) -> None:
        super().__init__()
        resnet = partial(ResnetBlock2D, temb_channels=None, groups=groups, eps=EPS, act_fn=act_fn)
        channels = widths[-1]
        self.conv_in = Conv2d(inputs, channels, 3, padding=1)
        self.mid_block = MidBlock(resnet, channels, groups, attention)
        self.up_blocks = nn.ModuleList()
        for level, width in enumerate(reversed(widths)):
            stage = Stage(resnet, [channels] + [width] * layers, width)
            if level < len(widths) - 1:
                stage.upsamplers = nn.ModuleList([Upsample2D(width)])
            self.up_blocks.append(stage)
            channels = width
        self.conv_norm_out = GroupNorm(groups, channels, EPS)
        self.conv_out = Conv2d(channels, outputs, 3, padding=1)
        self.act = activation(act_fn)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = self.mid_block(self.conv_in(hidden))
        for block in self.up_blocks:
            hidden = block(hidden)
        return self.conv_out(self.act(self.conv_norm_out(hidden)))


class AutoencoderKL(Model):
    """Variational autoencoder (Kingma and Welling 2013) of Rombach et al. 2022.

    Height and width of a picture are those of its latents times `downscale`.
    Latents are multiplied by `scaling_factor` where a diffusion model sees them.
    """

    only: ClassVar[Mapping[str, Any]] = {
        "shift_factor": None,
        "latents_mean": None,
        "latents_std": None,
    }

    @configured
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        down_block_types: tuple[str, ...] = ("DownEncoderBlock2D",),
        up_block_types: tuple[str, ...] = ("UpDecoderBlock2D",),
        block_out_channels: tuple[int, ...] = (64,),
        layers_per_block: int = 1,
        act_fn: str = "silu",
        latent_channels: int = 4,
        norm_num_groups: int = 32,
        sample_size: int = 32,
        scaling_factor: float = 0.18215,
        *,
        force_upcast: bool = True,
        use_quant_conv: bool = True,
        use_post_quant_conv: bool = True,
        mid_block_add_attention: bool = True,
    ) -> None:
        super().__init__()
        for names, known in (
            (down_block_types, "DownEncoderBlock2D"),
            (up_block_types, "UpDecoderBlock2D"),
        ):
            if set(names) != {known} or len(names) != len(block_out_channels):
                raise CheckpointError(
                    f"block types {list(names)} are not supported: "
                    f"each of the {len(block_out_channels)} stages must be {known!r}."
                )
        widths = list(block_out_channels)
        common = (norm_num_groups, mid_block_add_attention, act_fn)
        self.encoder = Encoder(in_channels, latent_channels, widths, layers_per_block, *common)
        self.decoder = Decoder(latent_channels, out_channels, widths, layers_per_block, *common)
        self.quant_conv = (
            Conv2d(2 * latent_channels, 2 * latent_channels, 1) if use_quant_conv else None
        )
        self.post_quant_conv = (
            Conv2d(latent_channels, latent_channels, 1) if use_post_quant_conv else None
        )

    @property
    def downscale(self) -> int:
        """Pixels to a side of one latent."""
        return 2 ** (len(self.config.block_out_channels) - 1)

    @cached_property
    def previewer(self) -> LatentPreview:
        """A cheap stand-in for `decode`, fitted at first use and kept."""
        return LatentPreview.fit(self)

    def encode(self, x: Tensor, return_dict: bool = True) -> AutoencoderKLOutput:
        """Encode pictures (B, 3, H, W) in -1..1.

        return_dict: taken as callers of diffusers give it; the output is a tuple either way.
        """
        parameters = self.encoder(enter(x, self.dtype))
        if self.quant_conv is not None:
            parameters = self.quant_conv(parameters)
        return AutoencoderKLOutput(DiagonalGaussian(leave(parameters, self.dtype)))

    def decode(
        self, z: Tensor, return_dict: bool = True, generator: Generators = None
    ) -> DecoderOutput:
        """Decode latents (B, latent_channels, h, w), already divided by `scaling_factor`.

        return_dict, generator: taken as callers of diffusers give them: the output is a tuple
        either way, and this decoder, as theirs, draws nothing.
        """
        z = enter(z, self.dtype)
        if self.post_quant_conv is not None:
            z = self.post_quant_conv(z)
        return DecoderOutput(leave(self.decoder(z), self.dtype))

    def forward(
        self,
        sample: Tensor,
        sample_posterior: bool = False,
        return_dict: bool = True,
        generator: Generators = None,
    ) -> DecoderOutput:
        """Encode and decode pictures (B, 3, H, W), through the mode or a drawn sample.

        return_dict: taken as callers of diffusers give it; the output is a tuple either way.
        """
        latent_dist = self.encode(sample).latent_dist
        drawn = latent_dist.sample(generator) if sample_posterior else latent_dist.mode()
        return self.decode(drawn)
