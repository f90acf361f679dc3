"""How near are unconditional pictures to renders? Frechet distance on the judge's features.

python -m benchmarks.frechet                  # 500 pictures of 50 steps
python -m benchmarks.frechet --pictures 100 --steps 25

Printed beside that of noise (as far as it gets) and of other renders (as near as it gets).
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from training.diffusion import draw_scenes, scene_weights
from training.export import TABLETOP_DDPM
from training.judge import JUDGE, Judge
from training.render import render
from training.scene import sample_scenes
from training.sheet import draw
from training.unconditional import SIZE, shrink

__all__ = ["features", "frechet_distance", "held_out", "noise"]

_BATCH = 50
_HELD_OUT_SEED = 3 * 10**6


@torch.inference_mode()
def features(judge: Judge, pixels: Tensor) -> Tensor:
    """Means (N, 96) of the judge's last maps for pictures (N, 3, SIZE, SIZE) in -1..1."""
    enlarged = (interpolate(part, size=(64, 64), mode="bilinear") for part in pixels.split(_BATCH))
    return torch.cat([judge.features(part).mean(dim=(2, 3)) for part in enlarged])


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """Distance of the Gaussians fitted to two sets of features (N, D) and (M, D).

    Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", equation 6.
    """
    means, covariances = [], []
    for rows in (one.double(), other.double()):
        means.append(rows.mean(0))
        covariances.append(rows.T.cov())
    # the square root of a product has the trace of that of its symmetric form
    values, vectors = torch.linalg.eigh(covariances[0])
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    crossed = torch.linalg.eigvalsh(root @ covariances[1] @ root).clamp(min=0).sqrt().sum()
    spread = covariances[0].trace() + covariances[1].trace() - 2 * crossed
    return float((means[0] - means[1]).square().sum() + spread)


def held_out(total: int, seed: int) -> Tensor:
    """Renders (total, 3, SIZE, SIZE) in -1..1 that no stage trained on, chosen as the training's.

    seed: another set for every number.
    """
    scenes = sample_scenes(4 * total, _HELD_OUT_SEED + seed)
    generator = torch.Generator().manual_seed(seed)
    drawn = draw_scenes(scene_weights(scenes), 2 * total, generator)
    rows = list(dict.fromkeys(drawn.tolist()))[:total]
    parts = [render([scenes[row] for row in rows[i : i + 20]]).images for i in range(0, total, 20)]
    return shrink(torch.cat(parts) * 2 - 1)


def noise(total: int) -> Tensor:
    """What a model starts from, clipped to what a picture can show."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(total, 3, SIZE, SIZE, generator=generator).clamp(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--model", type=Path, default=TABLETOP_DDPM)
    options = parser.parse_args()
    total = options.pictures
    judge = Judge.from_pretrained(JUDGE)
    wanted = features(judge, held_out(total, seed=0))
    rows: dict[str, Callable[[], Tensor]] = {
        "noise": lambda: noise(total),
        f"{options.model.name}, {options.steps} steps": lambda: draw(
            options.model, total, options.steps
        ),
        "other renders": lambda: held_out(total, seed=1),
    }
    print(f"Frechet distance to {total} held-out renders, {total} pictures each")
    for name, make in rows.items():
        print(f"{name:>30}: {frechet_distance(features(judge, make()), wanted):8.3f}", flush=True)


if __name__ == "__main__":
    main()
