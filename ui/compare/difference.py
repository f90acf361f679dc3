"""How far two finished pictures are apart."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["differences", "psnr"]


def psnr(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB of two pictures (H, W, 3); infinite where they are equal."""
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def differences(paths: Mapping[int, str], reference: int) -> dict[int, float]:
    """PSNR in dB of each picture to the one of key `reference`, which is itself left out.

    paths: of PNGs of one size. Empty when the reference is not among them.
    """
    if reference not in paths:
        return {}
    aim = _read(paths[reference])
    return {key: psnr(_read(path), aim) for key, path in paths.items() if key != reference}


def _read(path: str) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
