"""Write a trained run as a model folder in the diffusers layout, half precision, for `assets`.

python -m training.export                 # tabletop
python -m training.export --unconditional # tabletop-ddpm
python -m training.export --inpaint       # tabletop-inpaint, with tabletop's other components
python -m training.export --depth         # tabletop-depth, likewise, with the estimator
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import CLIPTokenizer, DPTForDepthEstimation

from engine.checkpoints.components import save_component
from engine.config import FORMAT_VERSION
from engine.models import AutoencoderKL, UNet2DConditionModel, UNet2DModel
from engine.schedulers import DDIMScheduler, DDPMScheduler
from training import depth, inpaint, unconditional
from training.autoencoder import AUTOENCODER
from training.diffusion import DIFFUSION, SCHEDULER, TextToLatents, trained
from training.estimator import ESTIMATOR, make_estimator, make_processor
from training.finetune import widened
from training.folders import TABLETOP, TABLETOP_DDPM, TABLETOP_DEPTH, TABLETOP_INPAINT
from training.loop import average
from training.text import save_text_encoder

__all__ = ["export", "export_depth", "export_inpaint", "export_unconditional"]

_LARGEST = 10_000_000  # bytes of a file that a Space takes
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
_INDEX_INPAINT = _INDEX | {"_class_name": "StableDiffusionInpaintPipeline"}
_CHECKED = ("image_encoder", "requires_safety_checker", "safety_checker")
_INDEX_DEPTH: dict[str, object] = {
    **{name: entry for name, entry in _INDEX.items() if name not in _CHECKED},
    "_class_name": "StableDiffusionDepth2ImgPipeline",
    "depth_estimator": ["transformers", "DPTForDepthEstimation"],
    "feature_extractor": ["transformers", "DPTImageProcessor"],
}
_KEPT = ("scheduler", "text_encoder", "tokenizer", "vae")
_INDEX_DDPM: dict[str, object] = {
    "_class_name": "DDPMPipeline",
    "_diffusers_version": FORMAT_VERSION,
    "scheduler": ["diffusers", "DDPMScheduler"],
    "unet": ["diffusers", "UNet2DModel"],
}


def export(
    networks: TextToLatents, vae: AutoencoderKL, tokenizer: CLIPTokenizer, folder: Path
) -> None:
    """Save the components of the text-to-image model in float16."""
    with _whole(folder) as partial:
        shutil.copytree(tokenizer.name_or_path, partial / "tokenizer")
        save_text_encoder(networks.text_encoder.half(), partial / "text_encoder")
        networks.unet.half().save_pretrained(partial / "unet", max_shard_size=_LARGEST)
        vae.half().save_pretrained(partial / "vae")
        DDIMScheduler(**SCHEDULER).save_pretrained(partial / "scheduler")
        _write_index(partial, _INDEX)


def export_unconditional(unet: UNet2DModel, folder: Path) -> None:
    """Save the unconditional model in float16, all in one folder as google/ddpm-* are."""
    with _whole(folder) as partial:
        unet.half().save_pretrained(partial)
        DDPMScheduler(**unconditional.SCHEDULER).save_pretrained(partial)
        _write_index(partial, _INDEX_DDPM)


def export_inpaint(unet: UNet2DConditionModel, start: Path, folder: Path) -> None:
    """Save a fine-tuned UNet in float16, with copies of the rest of the model it began with."""
    with _fine_tuned(unet, start, folder) as partial:
        _write_index(partial, _INDEX_INPAINT)


def export_depth(
    unet: UNet2DConditionModel, estimator: DPTForDepthEstimation, start: Path, folder: Path
) -> None:
    """Save as `export_inpaint` does, and the estimator in float16 with its image processor."""
    with _fine_tuned(unet, start, folder) as partial:
        estimator.config.architectures = ["DPTForDepthEstimation"]
        # the type to compute in by default, as for the text encoder
        estimator.config.dtype = torch.float32
        save_component(estimator.half(), partial / "depth_estimator", max_shard_size=_LARGEST)
        save_component(make_processor(), partial / "feature_extractor")
        _write_index(partial, _INDEX_DEPTH)


@contextmanager
def _fine_tuned(unet: UNet2DConditionModel, start: Path, folder: Path) -> Iterator[Path]:
    """A folder to write in, as `_whole`, with the UNet and what it shares with another model."""
    with _whole(folder) as partial:
        for name in _KEPT:
            shutil.copytree(start / name, partial / name)
        unet.half().save_pretrained(partial / "unet", max_shard_size=_LARGEST)
        yield partial


def _write_index(folder: Path, index: dict[str, object]) -> None:
    (folder / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder to write in, whose files then appear whole in `folder`.

    Other files stay there, but for weights in the same places, of which a loader might take those.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    folder.mkdir(parents=True, exist_ok=True)
    written: set[Path] = set()
    for made in sorted(partial.rglob("*")):
        if made.is_file():
            target = folder / made.relative_to(partial)
            target.parent.mkdir(exist_ok=True)
            made.chmod(0o644)
            made.replace(target)
            written.add(target)
    for place in {path.parent for path in written}:
        for weights in set(place.glob("*.safetensors*")) - written:
            weights.unlink()
    shutil.rmtree(partial)


def _trained(start: Path, channels: int, run: Path) -> UNet2DConditionModel:
    unet = widened(UNet2DConditionModel.from_pretrained(start / "unet"), channels)
    unet.load_state_dict(average(run))
    return unet


def _export(options: argparse.Namespace) -> Path:
    """Write the model that is asked for; returns its folder."""
    if options.unconditional:
        folder = options.folder or TABLETOP_DDPM
        plain = UNet2DModel(**unconditional.UNET)
        plain.load_state_dict(average(options.run or unconditional.UNCONDITIONAL))
        export_unconditional(plain, folder)
    elif options.inpaint:
        folder = options.folder or TABLETOP_INPAINT
        unet = _trained(options.start, inpaint.CHANNELS, options.run or inpaint.INPAINT)
        export_inpaint(unet, options.start, folder)
    elif options.depth:
        folder = options.folder or TABLETOP_DEPTH
        unet = _trained(options.start, depth.CHANNELS, options.run or depth.DEPTH)
        estimator = make_estimator()
        estimator.load_state_dict(average(options.estimator))
        export_depth(unet, estimator, options.start, folder)
    else:
        folder, run = options.folder or TABLETOP, options.run or DIFFUSION
        tokenizer = CLIPTokenizer.from_pretrained(run / "tokenizer")
        export(
            trained(run, tokenizer), AutoencoderKL.from_pretrained(options.vae), tokenizer, folder
        )
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--unconditional", action="store_true", help="the model without a text")
    kind.add_argument("--inpaint", action="store_true", help="the model that repaints")
    kind.add_argument("--depth", action="store_true", help="the model that follows a depth")
    parser.add_argument("--vae", type=Path, default=AUTOENCODER / "vae")
    parser.add_argument("--start", type=Path, default=TABLETOP, help="what was fine-tuned")
    parser.add_argument("--estimator", type=Path, default=ESTIMATOR, help="its run")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with torch.inference_mode():
        folder = _export(options)
    for path in sorted(folder.rglob("*.safetensors")):
        print(f"{path} {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
