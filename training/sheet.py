"""Draw the contact sheet of a model: 24 prompts, each picture above its words, or 48 seeds.

python -m training.sheet
python -m training.sheet --unconditional
"""

import argparse
import textwrap
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from engine.pipelines import DDPMPipeline, DiffusionPipeline
from engine.pipelines.request import Request
from training.dataset import to_bytes
from training.export import TABLETOP, TABLETOP_DDPM

__all__ = ["PROMPTS", "contact_sheet", "draw", "seed_sheet"]

PROMPTS = (
    "a red sphere",
    "a blue cube",
    "a green cylinder",
    "a yellow cone",
    "a large shiny cyan sphere on a wooden floor, sunset background",
    "a small matte purple cube on a tiled floor, mint background",
    "a large matte white cylinder on a grassy floor, sky background",
    "a shiny black cone on a sandy floor, pink background",
    "a large shiny red sphere and a small matte blue cube on a wooden floor, pink background",
    "a green cone next to a yellow sphere, checkered floor, night background",
    "a white cube and a purple cylinder on a slate floor, sunset background",
    "a black sphere with a red cone on a tiled floor before a cream background",
    "a small cyan cylinder beside a large yellow cube on a grassy floor",
    "a big glossy green ball on a checkered floor, grey background",
    "a tiny red box on a sandy table, sky background",
    "a photo of a huge blue pyramid in front of a mint wall",
    "a red sphere, a green cube and a blue cone on a tiled floor, cream background",
    "a yellow cylinder, a white sphere and a purple cone on a slate floor, pink background",
    "a small black cube, a cyan cone and a shiny red sphere, wooden floor, sky background",
    "night background, checkered floor, a large shiny white sphere",
    "a shiny purple sphere on a grassy floor before a sunset background",
    "a matte yellow cube on a wooden floor, night background",
    "a large green cylinder on a sandy floor in front of a grey wall",
    "a still life with a shiny blue sphere and a matte red cylinder",
)
_COLUMNS, _CELL, _TEXT = 6, 192, 52
_SEEDS, _SEED_COLUMNS, _BATCH = 48, 12, 50
IMAGES = Path("docs/images")


def contact_sheet(model: Path, prompts: tuple[str, ...] = PROMPTS, seed: int = 0) -> Image.Image:
    """Draw every prompt with the app's first settings; picture i has seed + i, none is chosen."""
    pipeline = DiffusionPipeline.from_pretrained(model)
    defaults = Request(model="")
    images = pipeline(
        list(prompts),
        num_inference_steps=defaults.steps,
        guidance_scale=defaults.guidance_scale,
        generator=[torch.Generator().manual_seed(seed + i) for i in range(len(prompts))],
    ).images
    rows = -(-len(prompts) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _CELL, rows * (_CELL + _TEXT)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (prompt, image) in enumerate(zip(prompts, images, strict=True)):
        x, y = number % _COLUMNS * _CELL, number // _COLUMNS * (_CELL + _TEXT)
        sheet.paste(image.resize((_CELL - 8, _CELL - 8), Image.Resampling.BICUBIC), (x + 4, y + 4))
        draw.text((x + 6, y + _CELL), "\n".join(textwrap.wrap(prompt, 31)), "black", font)
    return sheet


def draw(model: Path, total: int, steps: int, seed: int = 0) -> Tensor:
    """Pictures (total, 3, SIZE, SIZE) of a model in -1..1; picture i has seed + i."""
    pipeline = DDPMPipeline.from_pretrained(model)
    parts = []
    for first in range(0, total, _BATCH):
        seeds = range(seed + first, seed + min(first + _BATCH, total))
        images = pipeline(
            batch_size=len(seeds),
            generator=[torch.Generator().manual_seed(number) for number in seeds],
            num_inference_steps=steps,
            output_type="pt",
        ).images
        parts.append(images * 2 - 1)
    return torch.cat(parts)


def seed_sheet(model: Path, steps: int = 50) -> Image.Image:
    """Draw the seeds from 0 on without a text; none is chosen."""
    cells = interpolate(draw(model, _SEEDS, steps), scale_factor=3, mode="bicubic")
    sheet = (
        cells.unflatten(0, (-1, _SEED_COLUMNS)).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    )
    return Image.fromarray(to_bytes(sheet.clamp(-1, 1) / 2 + 0.5).numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unconditional", action="store_true", help="48 seeds in place of prompts")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.unconditional:
        sheet = seed_sheet(options.model or TABLETOP_DDPM)
        file = options.file or IMAGES / "contact-sheet-ddpm.png"
    else:
        sheet = contact_sheet(options.model or TABLETOP)
        file = options.file or IMAGES / "contact-sheet.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file, optimize=True)


if __name__ == "__main__":
    main()
