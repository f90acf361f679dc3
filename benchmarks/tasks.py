"""Do the bundled models do what their tabs promise? Ask, and let the judge and a ruler count.

python -m benchmarks.tasks                # 100 pictures a task
python -m benchmarks.tasks --cases 10     # a handful

Pictures are drawn with the first settings of each tab. Image to image changes the colour of a
solid, inpainting puts one where it is marked, depth to image changes colours and finishes and keeps
the relief: what stands out of the table, by estimated depth, against the input's by exact depth.
"""

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.quality import Tally, prompt
from benchmarks.tasks_cases import (
    Change,
    correlation,
    empty,
    grade_materials,
    grade_placing,
    grade_recolored,
    other_materials,
    placings,
    recolorings,
    relief,
)
from engine.images import to_pil, to_tensor
from engine.pipelines import DiffusionPipeline, StableDiffusionInpaintPipeline
from engine.pipelines.depth_to_image import StableDiffusionDepth2ImgPipeline
from engine.pipelines.image_to_image import StableDiffusionImg2ImgPipeline
from engine.pipelines.request import Request
from training.dataset import number_solids
from training.estimator import abs_rel, held_out_scenes
from training.folders import TABLETOP, TABLETOP_DEPTH, TABLETOP_INPAINT
from training.judge import JUDGE, Judge, labels
from training.render import SIZE, render_all

__all__ = ["Row", "depth_to_image", "estimator", "image_to_image", "inpaint"]

_DEFAULTS = Request(model="")
_RECOLORING = 0.6
_REPAINTING = 1.0  # the first setting of the tab; elsewhere it is the request's
_BATCH = 10
_BARE = 1e-5  # of inverse depth, in scene units, which is about 0.1


class Row(NamedTuple):
    """A line of the table. aim: "" where there is none."""

    question: str
    answer: str
    aim: str = ""


def _rows(tally: Tally, aims: dict[str, str]) -> list[Row]:
    return [
        Row(
            question,
            f"{sum(given)} of {len(given)} ({tally.share(question):.1%})",
            aims.get(question, ""),
        )
        for question, given in tally.answers.items()
    ]


def _settings(first: int, count: int) -> dict[str, Any]:
    """Arguments of a call that draws pictures of the seeds from `first` on."""
    return {
        "num_inference_steps": _DEFAULTS.steps,
        "guidance_scale": _DEFAULTS.guidance_scale,
        "generator": [torch.Generator().manual_seed(first + i) for i in range(count)],
    }


def _changed(
    pipeline: StableDiffusionImg2ImgPipeline | StableDiffusionDepth2ImgPipeline,
    images: Sequence[Image.Image],
    changes: Sequence[Change],
    strength: float,
) -> Tensor:
    """Pictures (N, 3, SIZE, SIZE) in -1..1 of what is asked for."""
    parts = []
    for first in range(0, len(images), _BATCH):
        texts = [prompt(change.after) for change in changes[first : first + _BATCH]]
        drawn = pipeline(
            texts,
            list(images[first : first + _BATCH]),
            strength=strength,
            output_type="pt",
            **_settings(first, len(texts)),
        ).images
        parts.append(interpolate(drawn, SIZE, mode="bicubic").clamp(0, 1) * 2 - 1)
    return torch.cat(parts)


def image_to_image(pipeline: StableDiffusionImg2ImgPipeline, judge: Judge, total: int) -> list[Row]:
    """The least strength keeps a picture, and a larger one changes a colour in its place."""
    changes = recolorings(total)
    before = [change.before for change in changes]
    views = render_all(before)
    images = to_pil(views.images)
    kept = _changed(pipeline, images, changes, 1 / _DEFAULTS.steps)
    error = (kept - (2 * views.images - 1)).square().mean((1, 2, 3))
    cells = labels(number_solids(views.masks), before).cells[:, 0].tolist()
    tally = Tally()
    seen = judge.look(_changed(pipeline, images, changes, _RECOLORING))
    for change, cell, one in zip(changes, cells, seen, strict=True):
        grade_recolored(change.after, cell, one, tally)
    decibels = (10 * torch.log10(4 / error)).median()
    return [
        Row("image to image: PSNR to the input, least strength", f"{decibels:.1f} dB"),
        *_rows(tally, {}),
    ]


def inpaint(pipeline: StableDiffusionInpaintPipeline, judge: Judge, total: int) -> list[Row]:
    """What is asked for stands where it is marked."""
    tally = Tally()
    for number, case in enumerate(placings(total)):
        [image] = to_pil(render_all([case.before]).images)
        [painted] = pipeline(
            f"a {case.solid.color} {case.solid.shape}",
            image,
            Image.fromarray(case.mask.numpy()),
            strength=_REPAINTING,
            mask_blur=_DEFAULTS.mask_blur,
            paste_back=True,
            **_settings(number, 1),
        ).images
        [seen] = judge.look(2 * to_tensor(painted)[None] - 1)
        grade_placing(case, seen, tally)
    return _rows(tally, {"inpainting: colour and shape": "80%"})


def _inverse(views_depth: Tensor, size: torch.Size) -> Tensor:
    return interpolate(1 / views_depth[:, None], size, mode="area")[:, 0]


def depth_to_image(
    pipeline: StableDiffusionDepth2ImgPipeline, judge: Judge, total: int
) -> list[Row]:
    """Shapes stay where they are, and colours and finishes follow the prompt."""
    changes = other_materials(total)
    views = render_all([change.before for change in changes])
    images = to_pil(views.images)
    drawn = _changed(pipeline, images, changes, _DEFAULTS.strength)
    tally = Tally()
    for change, seen in zip(changes, judge.look(drawn), strict=True):
        grade_materials(change.after, seen, tally)
    maps, own = (
        torch.cat([pipeline.estimate(one) for one in some])[:, 0]
        for some in (to_pil(drawn / 2 + 0.5), images)
    )
    table = render_all([empty(change.before) for change in changes]).depth
    table, exact = (_inverse(depth, maps.shape[1:]) for depth in (table, views.depth))
    wanted = exact - table
    bare = wanted.abs() < _BARE
    result = relief(maps, table, bare)
    likeness = {
        "to its input's": correlation(result, wanted),
        "to an unrelated one": correlation(result, wanted.roll(1, 0)),
        "of the input by estimate, to its own": correlation(relief(own, table, bare), wanted),
    }
    rows = [
        Row(f"depth: relief {name}, correlation", f"{each.median():.3f}")
        for name, each in likeness.items()
    ]
    return [*rows, *_rows(tally, {"depth: colours and finishes": "80%"})]


def estimator(pipeline: StableDiffusionDepth2ImgPipeline, total: int) -> list[Row]:
    """How far estimated inverse depth is off, and the mean of all exact maps in its place."""
    views = render_all(held_out_scenes(total))
    maps = torch.cat([pipeline.estimate(one) for one in to_pil(views.images)])[:, 0]
    mean = (1 / views.depth).mean(0, keepdim=True).expand_as(views.depth)
    return [
        Row("estimator: AbsRel", f"{abs_rel(maps, views.depth).mean():.4f}", "0.1"),
        Row("one map for all: AbsRel", f"{abs_rel(mean, views.depth).mean():.4f}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100, help="pictures a task")
    total = parser.parse_args().cases
    judge = Judge.from_pretrained(JUDGE).float()
    text = DiffusionPipeline.from_pretrained(TABLETOP)
    depth = StableDiffusionDepth2ImgPipeline.from_pretrained(TABLETOP_DEPTH)
    rows = [
        *image_to_image(StableDiffusionImg2ImgPipeline.from_pipe(text), judge, total),
        *inpaint(StableDiffusionInpaintPipeline.from_pretrained(TABLETOP_INPAINT), judge, total),
        *depth_to_image(depth, judge, total),
        *estimator(depth, total),
    ]
    print(f"{'':>54} {'':>20}  aim")
    for question, answer, aim in rows:
        print(f"{question:>54} {answer:>20}  {aim}")


if __name__ == "__main__":
    main()
