"""Write a trained run as a model folder in the diffusers layout, half precision, for `assets`.

python -m training.export                 # tabletop
python -m training.export --unconditional # tabletop-ddpm
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from engine.config import FORMAT_VERSION
from engine.models import AutoencoderKL, UNet2DModel
from engine.schedulers import DDIMScheduler, DDPMScheduler
from training import unconditional
from training.autoencoder import AUTOENCODER
from training.diffusion import DIFFUSION, SCHEDULER, TextToLatents, make_networks
from training.loop import average
from training.text import make_tokenizer, save_text_encoder

__all__ = ["TABLETOP", "TABLETOP_DDPM", "export", "export_unconditional"]

TABLETOP = Path("assets/models/tabletop")
TABLETOP_DDPM = Path("assets/models/tabletop-ddpm")
_INDEX: dict[str, object] = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": FORMAT_VERSION,
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
_INDEX_DDPM: dict[str, object] = {
    "_class_name": "DDPMPipeline",
    "_diffusers_version": FORMAT_VERSION,
    "scheduler": ["diffusers", "DDPMScheduler"],
    "unet": ["diffusers", "UNet2DModel"],
}


def export(networks: TextToLatents, vae: AutoencoderKL, folder: Path) -> None:
    """Save the components of the text-to-image model in float16."""
    with _whole(folder) as partial:
        make_tokenizer(partial / "tokenizer")
        save_text_encoder(networks.text_encoder.half(), partial / "text_encoder")
        networks.unet.half().save_pretrained(partial / "unet")
        vae.half().save_pretrained(partial / "vae")
        DDIMScheduler(**SCHEDULER).save_pretrained(partial / "scheduler")
        _write_index(partial, _INDEX)


def export_unconditional(unet: UNet2DModel, folder: Path) -> None:
    """Save the unconditional model in float16, all in one folder as google/ddpm-* are."""
    with _whole(folder) as partial:
        unet.half().save_pretrained(partial)
        DDPMScheduler(**unconditional.SCHEDULER).save_pretrained(partial)
        _write_index(partial, _INDEX_DDPM)


def _write_index(folder: Path, index: dict[str, object]) -> None:
    (folder / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder to write in, whose files then appear whole in `folder`; its other files stay."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    folder.mkdir(parents=True, exist_ok=True)
    for made in sorted(partial.rglob("*")):
        if made.is_file():
            target = folder / made.relative_to(partial)
            target.parent.mkdir(exist_ok=True)
            made.chmod(0o644)
            made.replace(target)
    shutil.rmtree(partial)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unconditional", action="store_true", help="the model without a text")
    parser.add_argument("--vae", type=Path, default=AUTOENCODER / "vae")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with torch.inference_mode():
        if options.unconditional:
            folder = options.folder or TABLETOP_DDPM
            unet = UNet2DModel(**unconditional.UNET)
            unet.load_state_dict(average(options.run or unconditional.UNCONDITIONAL))
            export_unconditional(unet, folder)
        else:
            folder, run = options.folder or TABLETOP, options.run or DIFFUSION
            networks = make_networks(make_tokenizer(run / "tokenizer"))
            networks.load_state_dict(average(run))
            export(networks, AutoencoderKL.from_pretrained(options.vae), folder)
    for path in sorted(folder.rglob("*.safetensors")):
        print(f"{path} {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
