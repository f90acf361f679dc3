"""Muon, an optimizer for matrices (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon)."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["Muon", "matrices"]

# Coefficients of the quintic that pushes every singular value to about one, from the same source.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5


def matrices(model: nn.Module) -> list[nn.Parameter]:
    """The weights of a model that Muon is for: of linear layers and of convolutions."""
    layers = (layer for layer in model.modules() if isinstance(layer, (nn.Linear, nn.Conv2d)))
    return [layer.weight for layer in layers]


def _orthogonal(matrix: Tensor) -> Tensor:
    """Near the closest matrix (n, m) whose rows or columns are at right angles and of length 1."""
    a, b, c = _QUINTIC
    flat = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    flat = flat / flat.norm().clamp(min=1e-7)
    for _ in range(_ROUNDS):
        square = flat @ flat.T
        flat = torch.addmm(flat, torch.addmm(square, square, square, beta=b, alpha=c), flat, beta=a)
    return flat if matrix.shape[0] <= matrix.shape[1] else flat.T


class Muon(torch.optim.Optimizer):
    """Steps that change a matrix alike in all directions, not most where its gradient is largest.

    The kernel of a convolution is a matrix with a row for each channel that it makes. A step is as
    long as one of AdamW would be at the same rate (Liu et al. 2025, "Muon is Scalable"). A matrix
    is one for which torch.optim.Muon would do; that one takes no convolutions.
    """

    def __init__(
        self, weights: Iterable[Tensor], lr: float, momentum: float = 0.95, decay: float = 0.01
    ) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["average"] = torch.zeros_like(weight)
                average = state["average"].lerp_(weight.grad, 1 - momentum)
                ahead = weight.grad.lerp(average, momentum).flatten(1)
                length = 0.2 * max(ahead.shape) ** 0.5
                weight.mul_(1 - rate * group["decay"])
                weight.add_(_orthogonal(ahead).reshape(weight.shape), alpha=-rate * length)
