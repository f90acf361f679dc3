"""Draw the contact sheet of a model: 24 prompts, each picture above its words, or 40 seeds.

python -m training.sheet
python -m training.sheet --unconditional
python -m training.sheet --renders         # what the training sees
"""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from engine.pipelines import DDPMPipeline, DiffusionPipeline
from engine.pipelines.request import Request
from training.captions import caption
from training.dataset import to_bytes
from training.folders import TABLETOP, TABLETOP_DDPM
from training.plot import tiles
from training.render import render_all
from training.scene import sample_scenes

__all__ = ["PROMPTS", "contact_sheet", "draw", "seed_sheet"]

PROMPTS = (
    "a red sphere",
    "a blue cube",
    "a green cone",
    "a yellow donut",
    "a large shiny orange sphere on a wooden floor, sunset background",
    "a small matte purple pyramid on a marble floor, mint background",
    "a large glass green sphere on a checkered floor, cream background",
    "a metal yellow cylinder on a blue floor, night background",
    "a large shiny red sphere and a small matte blue cube on a wooden floor, pink background",
    "a green cone to the left of a yellow sphere, checkered floor, night background",
    "a small red sphere on top of a large white cube, sandy floor, sky background",
    "a black sphere behind a pink torus on a cloth before a cream background",
    "three small red spheres on a marble floor, grey background",
    "two metal blue cubes on a sandy floor, white background",
    "a tiny glass box on a wooden table, sky background",
    "a photo of a huge blue pyramid in front of a mint wall",
    "a red sphere, a green cube and a blue cone on a white floor, cream background",
    "a yellow cylinder, a white sphere and a purple cone on a grey floor, pink background",
    "a small black cube, a cyan cone and a shiny red sphere, wooden floor, sky background",
    "black background, checkered floor, a large shiny white sphere",
    "a chrome ball on a cloth before a sunset background",
    "a cyan cone stacked on an orange cube, green floor, white background",
    "my favourite thing in the world: a large green ring, please",
    "a still life with a shiny blue sphere and a matte red cylinder",
)
_COLUMNS, _CELL, _TEXT = 6, 192, 82
_SEEDS, _SEED_COLUMNS, _BATCH = 40, 10, 40
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
    return _labelled(images, prompts)


def render_sheet(total: int = 24, seed: int = 5 * 10**6) -> Image.Image:
    """Renders as the training sees them, each above one of its captions; none is chosen."""
    scenes = sample_scenes(total, seed)
    generator = torch.Generator().manual_seed(seed)
    images = [
        Image.fromarray(to_bytes(image).permute(1, 2, 0).numpy())
        for image in render_all(scenes).images
    ]
    return _labelled(images, [caption(scene, generator) for scene in scenes])


def _labelled(images: Sequence[Image.Image], texts: Sequence[str]) -> Image.Image:
    rows = -(-len(images) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _CELL, rows * (_CELL + _TEXT)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (text, image) in enumerate(zip(texts, images, strict=True)):
        x, y = number % _COLUMNS * _CELL, number // _COLUMNS * (_CELL + _TEXT)
        sheet.paste(image.resize((_CELL - 8, _CELL - 8), Image.Resampling.BICUBIC), (x + 4, y + 4))
        draw.text((x + 6, y + _CELL), "\n".join(textwrap.wrap(text, 31)), "black", font)
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
    cells = interpolate(draw(model, _SEEDS, steps), scale_factor=2, mode="bicubic")
    return tiles(cells, _SEED_COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unconditional", action="store_true", help="40 seeds in place of prompts")
    parser.add_argument("--renders", action="store_true", help="what the training sees")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.renders:
        sheet, file = render_sheet(), options.file or IMAGES / "renders.png"
    elif options.unconditional:
        sheet = seed_sheet(options.model or TABLETOP_DDPM)
        file = options.file or IMAGES / "contact-sheet-ddpm.png"
    else:
        sheet = contact_sheet(options.model or TABLETOP)
        file = options.file or IMAGES / "contact-sheet.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file, optimize=True)


if __name__ == "__main__":
    main()
