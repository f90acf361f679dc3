"""Train a small estimator of depth, from pictures and their exact depth.

python -m training.estimator --minutes 30

It is a DPT (Ranftl et al. 2021, "Vision Transformers for Dense Prediction", arXiv 2103.13413), and
learns inverse depth up to scale and shift, which is all that a picture tells (Ranftl et al. 2020,
"Towards Robust Monocular Depth Estimation", arXiv 1907.01341, called MiDaS below).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate
from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

from training.dataset import DATA, load_shards, to_pixels
from training.finetune import rows_of
from training.judge import roughen
from training.loop import Options, add_options, fit, options_of
from training.render import SIZE, render_all
from training.scene import Scene, sample_scenes

__all__ = [
    "CONFIG",
    "ESTIMATOR",
    "abs_rel",
    "fitted",
    "held_out_scenes",
    "make_estimator",
    "make_processor",
    "scale_and_shift_invariant",
    "train",
]

ESTIMATOR = Path("training/runs/estimator")
CONFIG: dict[str, Any] = {
    "image_size": SIZE,
    "patch_size": 8,
    "hidden_size": 128,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "backbone_out_indices": [1, 2, 3, 4],
    # a map half as large as the picture, at a quarter of the work: latents are smaller still
    "reassemble_factors": [1, 0.5, 0.25, 0.125],
    "neck_hidden_sizes": [32, 48, 64, 96],
    "fusion_hidden_size": 48,
    "readout_type": "ignore",
}
_SCALES = 4
_GRADIENTS = 0.5
_HELD_OUT_SEED = 7 * 10**6


def make_estimator() -> DPTForDepthEstimation:
    """An estimator with random weights."""
    model = DPTForDepthEstimation(DPTConfig(**CONFIG))
    # its last layer cuts off what is negative, and would not learn below
    torch.nn.init.constant_(model.head.head[4].bias, 1.0)  # type: ignore[arg-type]
    return model


def make_processor() -> DPTImageProcessorPil:
    """What makes pixels in -1..1 of pictures of any size, for the estimator."""
    return DPTImageProcessorPil(size={"height": SIZE, "width": SIZE})


def _standardized(maps: Tensor) -> Tensor:
    """Maps (B, H, W) less their median, over their mean distance from it (MiDaS, equation 5)."""
    centred = maps - maps.flatten(1).median(1).values[:, None, None]
    return centred / centred.abs().mean((1, 2), keepdim=True).clamp(min=1e-6)


def scale_and_shift_invariant(estimated: Tensor, inverse: Tensor) -> Tensor:
    """Loss of maps (B, H, W) that does not change with their scale and shift.

    The distance of what is standardized, and that of its gradients at four scales, by which edges
    become sharp (MiDaS, equations 7 and 11).
    """
    off = (_standardized(estimated) - _standardized(inverse))[:, None]
    total = off.abs().mean()
    for _ in range(_SCALES):
        gradients = off.diff(dim=-1).abs().mean() + off.diff(dim=-2).abs().mean()
        total = total + _GRADIENTS * gradients
        off = avg_pool2d(off, 2)
    return total


def train(
    images: Tensor, depth: Tensor, options: Options, batch: int, folder: Path
) -> DPTForDepthEstimation:
    """Train on uint8 pictures (N, 3, SIZE, SIZE) and their depth (N, SIZE, SIZE)."""
    torch.manual_seed(options.seed)
    model = make_estimator()

    def loss(generator: torch.Generator) -> Tensor:
        rows = torch.randint(2 * len(images), (batch,), generator=generator)
        pixels = roughen(to_pixels(rows_of(images, rows)), generator).to(options.device)
        estimated = model(pixels).predicted_depth.float()
        inverse = 1 / rows_of(depth, rows).float()[:, None]
        inverse = interpolate(inverse, estimated.shape[1:], mode="area")[:, 0]
        return scale_and_shift_invariant(estimated, inverse.to(options.device))

    fit(model, loss, options, folder)
    return model


def fitted(maps: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Maps (N, H, W), each scaled and shifted to come nearest to its target, in least squares.

    weights: (N, H, W), how much each place counts.
    """
    shares = weights / weights.sum((1, 2), keepdim=True)
    middles = [(shares * one).sum((1, 2), keepdim=True) for one in (maps, target)]
    off, wanted = maps - middles[0], target - middles[1]
    power = (shares * off.square()).sum((1, 2), keepdim=True).clamp(min=1e-12)
    scale = (shares * off * wanted).sum((1, 2), keepdim=True) / power
    return scale * off + middles[1]


def abs_rel(estimated: Tensor, depth: Tensor) -> Tensor:
    """Mean relative error (N,) of inverse depth (N, h, w), scale and shift aside.

    depth: (N, H, W), exact. The scale and shift are those of least squares.
    """
    inverse = 1 / depth
    sized = interpolate(estimated[:, None], depth.shape[1:], mode="bilinear")[:, 0]
    nearest = fitted(sized, inverse, torch.ones_like(inverse))
    return ((nearest - inverse).abs() / inverse).mean((1, 2))


def held_out_scenes(total: int) -> list[Scene]:
    """Scenes that no stage learns from."""
    return sample_scenes(total, _HELD_OUT_SEED, held_out=True)


@torch.inference_mode()
def _errors(model: DPTForDepthEstimation, scenes: Sequence[Scene]) -> Tensor:
    views = render_all(scenes)
    parts = [model(part * 2 - 1).predicted_depth for part in views.images.split(20)]
    return abs_rel(torch.cat(parts), views.depth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, minutes=30, rate=1e-3)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=ESTIMATOR)
    parsed = parser.parse_args()
    model = train(
        load_shards(parsed.data),
        load_shards(parsed.data, "depth"),
        options_of(parsed),
        parsed.batch or 16,
        parsed.folder,
    )
    scenes = held_out_scenes(200)
    print(f"AbsRel on {len(scenes)} held-out renders: {_errors(model, scenes).mean():.4f}")


if __name__ == "__main__":
    main()
