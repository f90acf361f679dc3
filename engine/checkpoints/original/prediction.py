"""What the UNet of a checkpoint was trained to predict, which its shapes do not say."""

from collections.abc import Mapping
from pathlib import Path

from engine.checkpoints.header import Shape
from engine.checkpoints.original.families import FAMILIES, Family
from engine.checkpoints.original.parts import UNET_PREFIX
from engine.checkpoints.original.values import read_values
from engine.checks import choice

__all__ = ["is_zero_snr", "prediction_of"]

MARK, ZERO_SNR = "v_pred", "ztsnr"
"""Empty tensors by which fine-tunes say that they predict velocity, down to no signal at all."""
PREDICTIONS = ("epsilon", "v_prediction")
STEPS = {220_000: "epsilon", 875_000: "epsilon", 110_000: "v_prediction", 140_000: "v_prediction"}
"""Steps of training of the published checkpoints of version 2: 2.1 base, 2 base, 2.1 and 2."""
INPUT = UNET_PREFIX + "input_blocks.0.0.weight"
BIAS = UNET_PREFIX + "output_blocks.11.1.transformer_blocks.0.norm1.bias"
SPREAD = 0.09
"""The deviation of that bias lies above it in those that predict velocity, as ComfyUI found."""


def prediction_of(
    path: Path, header: Mapping[str, Shape], family: Family, given: str | None = None
) -> str:
    """`epsilon` or `v_prediction`.

    given: by the caller; raises `EngineError` for another value. If it is None, a marker in the
    file counts. For version 2 without depth or mask, the steps of training count, then the spread
    of one bias, and at last `v_prediction`, as in diffusers. All others predict the noise.
    """
    if given is not None:
        return str(choice("prediction_type", given, PREDICTIONS))
    if MARK in header:
        return "v_prediction"
    inputs = header.get(INPUT, ())
    if family is not FAMILIES["2"] or inputs[1:2] not in ((4,), ()):
        return "epsilon"
    steps = read_values(path, "global_step") if "global_step" in header else None
    if steps is not None and steps.size == 1 and int(steps[0]) in STEPS:
        return STEPS[int(steps[0])]
    bias = read_values(path, BIAS) if BIAS in header else None
    if bias is not None and bias.size:
        return "v_prediction" if bias.std() > SPREAD else "epsilon"
    return "v_prediction"


def is_zero_snr(header: Mapping[str, Shape]) -> bool:
    """Whether the UNet was trained up to no signal at all (Lin et al. 2024)."""
    return ZERO_SNR in header
