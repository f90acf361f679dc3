"""Are the pictures of their prompts? Draw them with the app's first settings and let a judge count.

python -m benchmarks.quality                                # 1,000 pictures
python -m benchmarks.quality --pictures 50                  # a handful
python -m benchmarks.quality --model assets/models/tabletop --model ../older/tabletop

Scenes are drawn at random as those of the training are, from seeds that it never used, and asked
for in words that leave nothing out. A question counts where its prompt asks it: an attribute of a
single solid, the colour and shape of every solid of two or three, how many there are of a kind, and
which stands on which side. `unseen pairs` are single solids whose colour and shape no training
scene joined. The Frechet distance is that to renders of the same scenes, on the judge's features.
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.frechet import features, frechet_distance
from engine.pipelines import StableDiffusionPipeline
from engine.pipelines.request import Request
from training.captions import plural
from training.folders import TABLETOP
from training.judge import ATTRIBUTES, JUDGE, Judge, Seen
from training.render import SIZE, render_all
from training.scene import HELD_OUT_PAIRS, Scene, Solid, sample_scene

__all__ = ["KINDS", "Tally", "draw", "grade", "prompt", "prompts"]

_SEED = 4 * 10**6
_BATCH, _ALONE = 10, 9
KINDS = {"one": 0.35, "two": 0.25, "three": 0.12, "alike": 0.13, "unseen pairs": 0.15}
"""What a prompt asks for, and the share of the prompts that do."""


def _phrase(solid: Solid) -> str:
    return f"{solid.size} {solid.finish} {solid.color} {solid.shape}"


def prompt(scene: Scene) -> str:
    """Words for a scene that leave nothing out."""
    solids = scene.solids
    if len(solids) > 1 and len({_phrase(solid) for solid in solids}) == 1:
        count = ("two", "three")[len(solids) - 2]
        one = solids[0]
        subject = f"{count} {one.size} {one.finish} {one.color} {plural(one.shape)}"
    elif len(solids) == 2:
        left, right = sorted(solids, key=lambda solid: solid.x)
        subject = f"a {_phrase(left)} to the left of a {_phrase(right)}"
    else:
        subject = " and ".join(f"a {_phrase(solid)}" for solid in solids)
        subject = subject.replace(" and ", ", ", len(solids) - 2)
    return f"{subject} on a {scene.floor} floor, {scene.background} background"


def _scenes(kind: str, total: int) -> Iterator[Scene]:
    generator = torch.Generator().manual_seed(_SEED + tuple(KINDS).index(kind))
    while total > 0:
        if kind in ("one", "unseen pairs"):
            scene = sample_scene(generator, 1, held_out=True)
            (solid,) = scene.solids
            wanted = ((solid.color, solid.shape) in HELD_OUT_PAIRS) == (kind == "unseen pairs")
        elif kind == "alike":
            scene, wanted = sample_scene(generator, 2 + total % 2, "alike"), True
        else:
            scene, wanted = sample_scene(generator, 2 if kind == "two" else 3, "apart"), True
        if wanted:
            total -= 1
            yield scene


def prompts(total: int) -> list[tuple[str, Scene]]:
    """Kinds and scenes of about `total` prompts, at least one of each kind."""
    return [
        (kind, scene)
        for kind, share in KINDS.items()
        for scene in _scenes(kind, max(1, round(share * total)))
    ]


@dataclass
class Tally:
    """Right answers and questions, by what was asked."""

    answers: dict[str, list[bool]] = field(default_factory=dict)

    def add(self, question: str, right: bool) -> None:
        self.answers.setdefault(question, []).append(right)

    def share(self, question: str) -> float:
        given = self.answers[question]
        return sum(given) / len(given)


def grade(kind: str, scene: Scene, seen: Seen, tally: Tally) -> None:
    """Compare what was asked for with what the judge sees."""
    tally.add("floor", seen.floor == scene.floor)
    tally.add("background", seen.background == scene.background)
    asked = Counter((solid.color, solid.shape) for solid in scene.solids)
    if kind in ("one", "unseen pairs"):
        found = seen.solids[0] if len(seen.solids) == 1 else None
        right = {
            name: found is not None and getattr(found, name) == getattr(scene.solids[0], name)
            for name in ATTRIBUTES
        }
        for name in ATTRIBUTES if kind == "one" else ():
            tally.add(f"one: {name}", right[name])
        tally.add(f"{kind}: colour and shape", right["color"] and right["shape"])
    elif kind == "alike":
        tally.add("alike: count", len(seen.solids) == len(scene.solids))
        tally.add("alike: count, colour and shape", seen.pairs == asked)
    else:
        tally.add(f"{kind}: all colours and shapes", seen.pairs == asked)
    if kind == "two":
        wanted = sorted(scene.solids, key=lambda solid: solid.x)
        found_pairs = [(one.color, one.shape) for one in sorted(seen.solids, key=lambda s: s.x)]
        tally.add("two: and on their sides", found_pairs == [(s.color, s.shape) for s in wanted])


def draw(pipeline: StableDiffusionPipeline, texts: Sequence[str], seed: int = 0) -> Tensor:
    """Pictures (N, 3, SIZE, SIZE) in -1..1, drawn as the app does; picture i has seed + i."""
    defaults = Request(model="")
    parts = []
    for first in range(0, len(texts), _BATCH):
        batch = list(texts[first : first + _BATCH])
        images = pipeline(
            batch,
            num_inference_steps=defaults.steps,
            guidance_scale=defaults.guidance_scale,
            generator=[torch.Generator().manual_seed(seed + first + i) for i in range(len(batch))],
            output_type="pt",
        ).images
        parts.append(interpolate(images, SIZE, mode="bicubic").clamp(0, 1) * 2 - 1)
    return torch.cat(parts)


def _seconds_alone(pipeline: StableDiffusionPipeline, text: str) -> float:
    """How long one picture takes with the app's first settings, loading aside."""
    begun = time.perf_counter()
    draw(pipeline, [text])
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--model", type=Path, action="append", help="may be given several times")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    judge = Judge.from_pretrained(JUDGE).float()
    asked = prompts(options.pictures)
    renders = features(judge, render_all([scene for _, scene in asked]).images * 2 - 1)
    columns: dict[str, dict[str, str]] = {}
    for model in options.model or [TABLETOP]:
        pipeline = StableDiffusionPipeline.from_pretrained(model)
        begun = time.perf_counter()
        pixels = draw(pipeline, [prompt(scene) for _, scene in asked], options.seed)
        seconds = (time.perf_counter() - begun) / len(asked)
        tally = Tally()
        for (kind, scene), seen in zip(asked, judge.look(pixels), strict=True):
            grade(kind, scene, seen, tally)
        column = {
            question: f"{sum(given)} of {len(given)} ({tally.share(question):.1%})"
            for question, given in tally.answers.items()
        }
        distance = frechet_distance(features(judge, pixels), renders)
        alone = [_seconds_alone(pipeline, prompt(scene)) for _, scene in asked[:_ALONE]]
        columns[str(model)] = column | {
            "Frechet distance": f"{distance:.2f}",
            "seconds a picture, in tens": f"{seconds:.2f}",
            f"seconds for one, median of {len(alone)}": f"{statistics.median(alone):.2f}",
        }
    print(f"{'':32}" + "".join(f"{name[-30:]:>32}" for name in columns))
    for question in next(iter(columns.values())):
        print(f"{question:>32}" + "".join(f"{c[question]:>32}" for c in columns.values()))


if __name__ == "__main__":
    main()
