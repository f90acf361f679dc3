"""How numbers are compared with a reference."""

from torch import Tensor

__all__ = ["relative_error"]


def relative_error(ours: Tensor, reference: Tensor) -> float:
    """max|a - b| / max|b|; NaN where either has one, so that `<=` fails."""
    assert ours.shape == reference.shape
    return float((ours - reference).abs().max() / reference.abs().max())
