"""Draw the contact sheet of a model: 24 prompts, each picture above its words.

python -m training.sheet --file docs/images/contact-sheet.png
"""

import argparse
import textwrap
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from engine.pipelines import DiffusionPipeline
from engine.pipelines.request import Request
from training.export import TABLETOP

__all__ = ["PROMPTS", "contact_sheet"]

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=TABLETOP)
    parser.add_argument("--file", type=Path, default=Path("docs/images/contact-sheet.png"))
    options = parser.parse_args()
    options.file.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(options.model).save(options.file, optimize=True)


if __name__ == "__main__":
    main()
