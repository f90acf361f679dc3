"""Are the pictures of their prompts? Draw single objects and let the judge count.

python -m benchmarks.quality                # 200 pictures
python -m benchmarks.quality --pictures 8   # a handful
"""

import argparse
import time
from pathlib import Path

import torch

from engine.pipelines import DiffusionPipeline
from engine.pipelines.request import Request
from training.judge import JUDGE, Judge, Scores, labels, score
from training.scene import BACKGROUNDS, COLORS, FLOORS, SHAPES, Scene, Solid

__all__ = ["judge_model", "prompts"]

_BATCH = 10


def prompts(total: int) -> list[tuple[str, Scene]]:
    """Prompts of one object each, colours and shapes evenly, and the scenes they ask for."""
    asked = []
    for number in range(total):
        color = COLORS[number % len(COLORS)]
        shape = SHAPES[(number // len(COLORS)) % len(SHAPES)]
        size, finish = ("large", "small")[number % 3 == 0], ("shiny", "matte")[number % 5 % 2]
        floor, wall = FLOORS[number % len(FLOORS)], BACKGROUNDS[number % len(BACKGROUNDS)]
        text = f"a {size} {finish} {color} {shape} on a {floor} floor, {wall} background"
        asked.append((text, Scene((Solid(shape, color, size, finish),), floor, wall)))
    return asked


def judge_model(model: Path, judge: Judge, total: int, seed: int = 0) -> Scores:
    """Draw `total` pictures with the settings that the app starts with; picture i has seed + i."""
    pipeline = DiffusionPipeline.from_pretrained(model)
    defaults = Request(model="")
    asked = prompts(total)
    parts = []
    for first in range(0, total, _BATCH):
        texts = [text for text, _ in asked[first : first + _BATCH]]
        seeds = range(seed + first, seed + first + len(texts))
        parts.append(
            pipeline(
                texts,
                num_inference_steps=defaults.steps,
                guidance_scale=defaults.guidance_scale,
                generator=[torch.Generator().manual_seed(number) for number in seeds],
                output_type="pt",
            ).images
        )
    return score(judge, torch.cat(parts) * 2 - 1, labels([scene for _, scene in asked]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--model", type=Path, default=Path("assets/models/tabletop"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begun = time.perf_counter()
    found = judge_model(options.model, Judge.from_pretrained(JUDGE), options.pictures, options.seed)
    seconds = time.perf_counter() - begun
    for name in ("color", "shape", "both"):
        right = getattr(found, name)
        print(f"{name:>5}: {right} of {found.total} right ({right / found.total:.1%})")
    print(f"{seconds:.0f} s, {seconds / found.total:.2f} s a picture")


if __name__ == "__main__":
    main()
