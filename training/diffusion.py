"""Train the text encoder and the UNet together, on latents that were encoded once.

python -m training.diffusion --minutes 80
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from transformers import CLIPTextModel, CLIPTokenizer

from engine.models import AutoencoderKL, UNet2DConditionModel
from engine.schedulers import DDIMScheduler
from training.autoencoder import AUTOENCODER
from training.captions import caption
from training.dataset import DATA, load_shards, to_pixels
from training.loop import Options, add_options, fit, options_of
from training.scene import Scene
from training.text import encode, make_text_encoder, make_tokenizer

__all__ = [
    "DIFFUSION",
    "SCHEDULER",
    "TextToLatents",
    "draw_scenes",
    "draw_timesteps",
    "encode_images",
    "make_networks",
    "scene_weights",
    "train",
]

DIFFUSION = Path("training/runs/diffusion")
_WIDTH = 128
UNET: dict[str, Any] = {
    "sample_size": 16,
    "block_out_channels": (48, 128),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 16,
    "cross_attention_dim": _WIDTH,
    "attention_head_dim": 4,
}
SCHEDULER: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
_UNCAPTIONED = 0.1


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


@torch.inference_mode()
def encode_images(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """Latents of uint8 pictures, scaled to unit variance, float32."""
    parts = [vae.encode(to_pixels(part)).latent_dist.mode() for part in images.split(50)]
    return torch.cat(parts) * vae.config.scaling_factor


def scene_weights(scenes: Sequence[Scene]) -> Tensor:
    """How often each scene is to be drawn: few solids more often, as they teach shapes soonest."""
    return torch.tensor([4.0 - len(scene.solids) for scene in scenes])


def draw_scenes(weights: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """Draw places (batch,) in the list that the weights (N,) belong to, again and again."""
    return torch.multinomial(weights, batch, replacement=True, generator=generator)


def draw_timesteps(batch: int, total: int, generator: torch.Generator) -> Tensor:
    """Half of them evenly, half around the middle, where shapes are decided.

    The bell is the logit-normal of Esser et al. 2024, "Scaling Rectified Flow Transformers".
    """
    even = torch.rand(batch, generator=generator)
    bell = torch.sigmoid(0.4 + torch.randn(batch, generator=generator))
    half = torch.arange(batch) % 2 == 0
    return (torch.where(half, even, bell) * total).long().clamp(max=total - 1)


def train(
    latents: Tensor,
    scenes: Sequence[Scene],
    tokenizer: CLIPTokenizer,
    options: Options,
    batch: int,
    folder: Path,
) -> TextToLatents:
    """Train both networks; every visit to a scene gets a new caption."""
    torch.manual_seed(options.seed)
    networks = make_networks(tokenizer)
    scheduler, weights = DDIMScheduler(**SCHEDULER), scene_weights(scenes)

    def loss(generator: torch.Generator) -> Tensor:
        rows = draw_scenes(weights, batch, generator)
        silent = torch.rand(batch, generator=generator) < _UNCAPTIONED
        prompts = [
            "" if quiet else caption(scenes[row], generator)
            for row, quiet in zip(rows.tolist(), silent.tolist(), strict=True)
        ]
        clean = latents[rows]
        noise = torch.randn(clean.shape, generator=generator)
        timesteps = draw_timesteps(batch, len(scheduler), generator)
        noisy = scheduler.add_noise(clean, noise, timesteps)
        velocity = scheduler.get_velocity(clean, noise, timesteps)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        return mse_loss(networks(noisy, timesteps, encode(tokenizer, prompts)), velocity)

    fit(networks, loss, options, folder)
    return networks


def _latents(data: Path, vae: Path, images: Tensor) -> Tensor:
    """Latents of a data set, kept beside the autoencoder that made them."""
    path = vae.parent / "latents.safetensors"
    if not path.exists():
        latents = encode_images(AutoencoderKL.from_pretrained(vae), images)
        save_file({"latents": latents.contiguous()}, path, metadata={"data": str(data)})
    return load_file(path)["latents"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, minutes=80, rate=1e-3)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--vae", type=Path, default=AUTOENCODER / "vae")
    parser.add_argument("--folder", type=Path, default=DIFFUSION)
    parsed = parser.parse_args()
    options = options_of(parsed, warmup=200, average=0.997)
    images, scenes = load_shards(parsed.data)
    latents = _latents(parsed.data, parsed.vae, images)
    print(f"{len(latents)} latents, deviation {latents.std():.3f}", flush=True)
    tokenizer = make_tokenizer(parsed.folder / "tokenizer")
    train(latents, scenes, tokenizer, options, parsed.batch or 32, parsed.folder)


if __name__ == "__main__":
    main()
