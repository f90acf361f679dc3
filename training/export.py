"""Write a trained run as a model folder in the diffusers layout, half precision, for `assets`.

python -m training.export
"""

import argparse
import json
import shutil
from pathlib import Path

import torch

from engine.config import FORMAT_VERSION
from engine.models import AutoencoderKL
from engine.schedulers import DDIMScheduler
from training.autoencoder import AUTOENCODER
from training.diffusion import DIFFUSION, SCHEDULER, TextToLatents, make_networks
from training.loop import average
from training.text import make_tokenizer, save_text_encoder

__all__ = ["TABLETOP", "export"]

TABLETOP = Path("assets/models/tabletop")
_INDEX = {
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


def export(networks: TextToLatents, vae: AutoencoderKL, folder: Path) -> None:
    """Save the components in float16; each appears whole, and other files of the folder stay."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    make_tokenizer(partial / "tokenizer")
    save_text_encoder(networks.text_encoder.half(), partial / "text_encoder")
    networks.unet.half().save_pretrained(partial / "unet")
    vae.half().save_pretrained(partial / "vae")
    DDIMScheduler(**SCHEDULER).save_pretrained(partial / "scheduler")
    (partial / "model_index.json").write_text(json.dumps(_INDEX, indent=2, sort_keys=True) + "\n")
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
    parser.add_argument("--vae", type=Path, default=AUTOENCODER / "vae")
    parser.add_argument("--run", type=Path, default=DIFFUSION)
    parser.add_argument("--folder", type=Path, default=TABLETOP)
    options = parser.parse_args()
    networks = make_networks(make_tokenizer(options.run / "tokenizer"))
    networks.load_state_dict(average(options.run))
    with torch.inference_mode():
        export(networks, AutoencoderKL.from_pretrained(options.vae), options.folder)
    for path in sorted(options.folder.rglob("*.safetensors")):
        print(f"{path} {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
