"""Train the text encoder and the UNet together, on latents that were encoded once.

python -m training.diffusion --minutes 180
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from transformers import CLIPTextModel, CLIPTokenizer

from engine.models import AutoencoderKL, UNet2DConditionModel
from engine.schedulers import DDIMScheduler
from training.autoencoder import AUTOENCODER, FACTOR
from training.captions import WORDS, caption, other_sides
from training.dataset import DATA, Told, load_scenes, load_shards, to_pixels
from training.layout import Layout, NamingHead, layout_of
from training.loop import Options, add_options, average, fit, options_of
from training.render import SIZE
from training.scene import mirrored
from training.text import encode, make_text_encoder, make_tokenizer

__all__ = [
    "DIFFUSION",
    "SCHEDULER",
    "Noised",
    "TextToLatents",
    "add_noise",
    "draw_scenes",
    "draw_timesteps",
    "encode_images",
    "kept_latents",
    "make_networks",
    "offset_noise",
    "scene_weights",
    "tell",
    "tell_most",
    "train",
    "trained",
    "with_mirrored",
]

DIFFUSION = Path("training/runs/diffusion")
_WIDTH = 128
UNET: dict[str, Any] = {
    "sample_size": SIZE // FACTOR,
    "block_out_channels": (48, 128),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 16,
    "cross_attention_dim": _WIDTH,
    "attention_head_dim": 4,
}
# More noise at the end than Stable Diffusion has (0.012): solids are large here, and at a signal of
# 0.068 they are still to be seen in latents, so that shapes would not be learned from words.
SCHEDULER: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.02,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
_UNCAPTIONED = 0.1
_OFFSET = 0.1
_NAMING = 0.3


class TextToLatents(nn.Module):
    """The two networks that learn together: a prompt's tokens steer the denoising of latents."""

    def __init__(self, text_encoder: CLIPTextModel, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.unet = unet

    def forward(self, noisy: Tensor, timesteps: Tensor, tokens: Tensor) -> Tensor:
        """noisy: (B, 4, h, w); timesteps: (B,); tokens: (B, L). Returns velocities like noisy."""
        states = self.text_encoder(tokens).last_hidden_state
        return self.unet(noisy, timesteps, states).sample


def make_networks(tokenizer: CLIPTokenizer) -> TextToLatents:
    """Both networks with random weights."""
    text_encoder = make_text_encoder(len(tokenizer), _WIDTH)
    return TextToLatents(text_encoder, UNet2DConditionModel(**UNET))


def _load(networks: TextToLatents, model: Path) -> None:
    encoder = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32)
    networks.text_encoder.load_state_dict(encoder.state_dict())
    unet = UNet2DConditionModel.from_pretrained(model / "unet").float()
    networks.unet.load_state_dict(unet.state_dict())


@torch.inference_mode()
def encode_images(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """Latents of uint8 pictures, scaled to unit variance, float32."""
    parts = [vae.encode(to_pixels(part)).latent_dist.mode() for part in images.split(50)]
    return torch.cat(parts) * vae.config.scaling_factor


def offset_noise(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Noise (B, C, h, w) whose mean varies more than that of white noise.

    Without it the mean of a picture is never quite hidden in training, and very dark and very
    bright pictures do not come out (Guttenberg 2023, "Diffusion With Offset Noise").
    """
    mean = torch.randn(*shape[:2], 1, 1, generator=generator)
    return torch.randn(shape, generator=generator) + _OFFSET * mean


def tell(told: Told, generator: torch.Generator) -> str:
    """Words for a picture: a caption of one's own as it is, of a scene another every time."""
    return told if isinstance(told, str) else caption(told, generator)


def tell_most(told: Sequence[Told], generator: torch.Generator) -> list[str]:
    """Words for pictures, and none for one in ten: what guidance leads away from."""
    silent = torch.rand(len(told), generator=generator) < _UNCAPTIONED
    return [
        "" if quiet else tell(one, generator)
        for one, quiet in zip(told, silent.tolist(), strict=True)
    ]


def scene_weights(scenes: Sequence[Told]) -> Tensor:
    """How often each scene is to be drawn: few solids more often, as they teach shapes soonest."""
    return torch.tensor(
        [1.0 if isinstance(scene, str) else 4.0 - len(scene.solids) for scene in scenes]
    )


def draw_scenes(weights: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """Draw places (batch,) in the list that the weights (N,) belong to, again and again."""
    return torch.multinomial(weights, batch, replacement=True, generator=generator)


def draw_timesteps(batch: int, total: int, generator: torch.Generator) -> Tensor:
    """Half of them evenly, half around 0.65 of the way, where shapes are decided.

    The bell is the logit-normal of Esser et al. 2024, "Scaling Rectified Flow Transformers".
    """
    even = torch.rand(batch, generator=generator)
    bell = torch.sigmoid(0.6 + torch.randn(batch, generator=generator))
    half = torch.arange(batch) % 2 == 0
    return (torch.where(half, even, bell) * total).long().clamp(max=total - 1)


class Noised(NamedTuple):
    """What a network is given, and what it is to answer.

    noisy, velocity: (B, C, h, w); timesteps: (B,).
    """

    noisy: Tensor
    timesteps: Tensor
    velocity: Tensor


def add_noise(clean: Tensor, scheduler: DDIMScheduler, generator: torch.Generator) -> Noised:
    """Latents (B, C, h, w) at timesteps of `draw_timesteps`, under noise of `offset_noise`."""
    noise = offset_noise(clean.shape, generator)
    timesteps = draw_timesteps(len(clean), len(scheduler), generator)
    return Noised(
        scheduler.add_noise(clean, noise, timesteps),
        timesteps,
        scheduler.get_velocity(clean, noise, timesteps),
    )


def train(
    latents: Tensor,
    scenes: Sequence[Told],
    tokenizer: CLIPTokenizer,
    options: Options,
    batch: int,
    folder: Path,
    *,
    layout: Layout | None = None,
    start: Path | None = None,
) -> TextToLatents:
    """Train both networks; every visit to a scene gets a new caption.

    layout: what stands where, which the UNet's features are to tell too. start: a model folder to
    go on from, whose tokenizer knows the same words.
    """
    torch.manual_seed(options.seed)
    networks = make_networks(tokenizer)
    if start is not None:
        _load(networks, start)
    scheduler, weights = DDIMScheduler(**SCHEDULER), scene_weights(scenes)
    device = options.device
    learning: dict[str, nn.Module] = {"networks": networks}
    if layout is not None:
        naming = NamingHead(networks.unet.up_blocks[0], UNET["block_out_channels"][-1])
        learning["naming"] = naming

    def loss(generator: torch.Generator) -> Tensor:
        rows = draw_scenes(weights, batch, generator)
        prompts = tell_most([scenes[row] for row in rows.tolist()], generator)
        noisy, timesteps, velocity = add_noise(latents[rows], scheduler, generator)
        noisy = noisy.to(device, memory_format=torch.channels_last)
        tokens = encode(tokenizer, prompts).to(device)
        drawn = networks(noisy, timesteps.to(device), tokens)
        drawing = mse_loss(drawn.float(), velocity.to(device))
        return drawing if layout is None else drawing + _NAMING * naming.loss(layout, rows)

    fit(nn.ModuleDict(learning), loss, options, folder)
    return networks


def trained(run: Path, tokenizer: CLIPTokenizer) -> TextToLatents:
    """The networks of a run, with their averaged weights."""
    networks, own = make_networks(tokenizer), "networks."
    weights = average(run).items()
    networks.load_state_dict({k.removeprefix(own): v for k, v in weights if k.startswith(own)})
    return networks


def words_of(scenes: Sequence[Told]) -> tuple[str, ...]:
    """The words that shall be one token each: those of the recipe, and of one's own captions."""
    own = {
        word
        for text in scenes
        if isinstance(text, str)
        for word in re.findall(r"[a-z]+", text.lower())
    }
    return (*WORDS, *sorted(own - set(WORDS)))


def kept_latents(vae: AutoencoderKL, images: Tensor, path: Path) -> Tensor:
    """Latents of uint8 pictures and of their mirror images, kept in a file for the next time."""
    if not path.exists():
        both = torch.cat((encode_images(vae, images), encode_images(vae, images.flip(-1))))
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"latents": both.contiguous()}, path)
    return load_file(path)["latents"]


def with_mirrored(scenes: Sequence[Told]) -> list[Any]:
    """What pictures show, and what their mirror images do."""
    return [*scenes, *(other_sides(s) if isinstance(s, str) else mirrored(s) for s in scenes)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, minutes=180, rate=2e-3)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--vae", type=Path, default=AUTOENCODER / "vae")
    parser.add_argument("--folder", type=Path, default=DIFFUSION)
    parser.add_argument("--start", type=Path, help="model folder whose weights to go on from")
    parsed = parser.parse_args()
    options = options_of(parsed, warmup=200, average=0.998)
    told = load_scenes(parsed.data)
    latents = kept_latents(
        AutoencoderKL.from_pretrained(parsed.vae),
        load_shards(parsed.data),
        parsed.vae.parent / "latents.safetensors",
    )
    print(f"{len(latents)} latents, deviation {latents.std():.3f}", flush=True)
    scenes, layout = with_mirrored(told), None
    if not isinstance(told[0], str):
        layout = layout_of(told, load_shards(parsed.data, "solids"), latents.shape[-1])
    train(
        latents,
        scenes,
        make_tokenizer(parsed.folder / "tokenizer", words_of(scenes)),
        options,
        parsed.batch or 32,
        parsed.folder,
        layout=layout,
        start=parsed.start,
    )


if __name__ == "__main__":
    main()
