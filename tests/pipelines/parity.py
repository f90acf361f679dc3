"""The same call of a pipeline here and of the class of the same name in diffusers."""

from collections.abc import Callable
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

from engine.noise import Generators
from engine.schedulers.registry import SCHEDULERS, scheduler_named
from tests.compare import relative_error
from tests.conftest import SCHEDULER

__all__ = ["array", "blob", "oracle_of", "painting", "parity", "seeded", "set_scheduler"]


def painting(width: int = 64, height: int = 64, seed: int = 0) -> Image.Image:
    """A picture without edges, as resizing is not what is compared."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def blob(box: tuple[int, int, int, int], width: int = 64, height: int = 64) -> Image.Image:
    """A mask of a rectangle: left, top, right, bottom."""
    mask = Image.new("L", (width, height))
    mask.paste(255, box)
    return mask


def oracle_of(pipeline: Any) -> Any:
    """The pipeline of diffusers for the same task, with the same weights."""
    unet = diffusers.UNet2DConditionModel.from_config(pipeline.unet.config.to_dict())
    vae = diffusers.AutoencoderKL.from_config(pipeline.vae.config.to_dict())
    unet.load_state_dict(pipeline.unet.state_dict())
    vae.load_state_dict(pipeline.vae.state_dict())
    parts = {
        **pipeline.components,
        "unet": unet.eval(),
        "vae": vae.eval(),
        "scheduler": diffusers.DDIMScheduler.from_config(SCHEDULER),
    }
    if "safety_checker" in parts:
        parts["requires_safety_checker"] = False
    made = getattr(diffusers, type(pipeline).__name__)(**parts)
    made.set_progress_bar_config(disable=True)
    return made


def set_scheduler(name: str, ours: Any, theirs: Any = None) -> None:
    """A key of `SCHEDULERS` for one or both."""
    ours.scheduler = scheduler_named(name, SCHEDULER)
    if theirs is not None:
        kind, overrides = SCHEDULERS[name]
        theirs.scheduler = getattr(diffusers, kind).from_config(SCHEDULER, **overrides)


def seeded(count: int = 0) -> Generators:
    """One generator, or a list of so many."""
    if not count:
        return torch.Generator().manual_seed(7)
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def array(images: Any) -> torch.Tensor:
    """Pictures (B, H, W, 3), or numbers as they are."""
    if isinstance(images, list):
        images = np.stack([np.asarray(image, np.float32) / 255 for image in images])
    return torch.as_tensor(np.asarray(images))


def parity(ours: Any, theirs: Any, draw: Callable[[], Generators] = seeded, **call: Any) -> float:
    """How far the pictures of a call are from those of diffusers."""
    settings = {"output_type": "np", "num_inference_steps": 10} | call
    found = [array(pipe(generator=draw(), **settings).images) for pipe in (ours, theirs)]
    assert found[1].isfinite().all() and found[1].std() > 0.01
    return relative_error(*found)
