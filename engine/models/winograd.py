"""3x3 convolutions with fewer multiplications (Winograd 1980; Lavin and Gray 2016, section 4.1).

Two neighbouring outputs share most of what they multiply. Of inputs d0 to d3 and weights g0 to g2
they are m0 + m1 + m2 and m1 - m2 - m3, where

    m0 = (d0 - d2) g0        m1 = (d1 + d2) (g0 + g1 + g2) / 2
    m3 = (d1 - d3) g2        m2 = (d2 - d1) (g0 - g1 + g2) / 2

which is 4 products in place of 6, and over rows and columns 16 in place of 36. If each pixel was
doubled before, d1 = d2, so that m2 is zero and 9 products are left.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["convolve", "double_and_convolve"]

# A part of the rows is computed at a time. Of it so many numbers are kept before the products and
# so many after them, which fits into a cache,
NUMBERS = 1 << 21
# but each matrix of weights is multiplied by at least so many rows, or reading it would cost most.
ROWS = 256


class _Rule(NamedTuple):
    """What is done along one dimension.

    factors: products to a pair of outputs, and inputs that they are made of.
    step: inputs from one pair to the next.
    weights: three weights to the right factors, stacked.
    inputs: writes the left factors, made of the inputs, into a tensor (factors, ...).
    outputs: adds products (factors, ...) up into the pair, and overwrites them.
    """

    factors: int
    step: int
    weights: Callable[[Sequence[Tensor]], Tensor]
    inputs: Callable[[Sequence[Tensor], Tensor], None]
    outputs: Callable[[Tensor, Tensor, Tensor], None]

    def windows(self, padded: Tensor, dim: int) -> tuple[Tensor, ...]:
        """The first inputs of all pairs, the second ones, and so on, as views."""
        return padded.unfold(dim, self.factors, self.step).unbind(-1)


def _weights(g: Sequence[Tensor]) -> Tensor:
    outer = g[0] + g[2]
    return torch.stack([g[0], (outer + g[1]) / 2, (outer - g[1]) / 2, g[2]])


def _inputs(d: Sequence[Tensor], out: Tensor) -> None:
    torch.sub(d[0], d[2], out=out[0])
    torch.add(d[1], d[2], out=out[1])
    torch.sub(d[2], d[1], out=out[2])
    torch.sub(d[1], d[3], out=out[3])


def _outputs(m: Tensor, first: Tensor, second: Tensor) -> None:
    torch.add(m[0].add_(m[1]), m[2], out=first)
    torch.sub(m[1].sub_(m[2]), m[3], out=second)


def _weights_doubled(g: Sequence[Tensor]) -> Tensor:
    return torch.stack([g[0], g[0] + g[1] + g[2], g[2]])


def _inputs_doubled(d: Sequence[Tensor], out: Tensor) -> None:
    torch.sub(d[0], d[1], out=out[0])
    out[1].copy_(d[1])
    torch.sub(d[1], d[2], out=out[2])


def _outputs_doubled(m: Tensor, first: Tensor, second: Tensor) -> None:
    torch.add(m[0], m[1], out=first)
    torch.sub(m[1], m[2], out=second)


_PLAIN = _Rule(4, 2, _weights, _inputs, _outputs)
_DOUBLED = _Rule(3, 1, _weights_doubled, _inputs_doubled, _outputs_doubled)


def convolve(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve (B, I, H, W), H and W even, by (O, I, 3, 3) with padding 1: (B, O, H, W).

    All tensors are of one dtype, and no gradient passes. Fastest with channels last, as returned.
    """
    return _convolve(_PLAIN, input, weight, bias)


def double_and_convolve(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Repeat every pixel of (B, I, H, W) in height and width, then convolve: (B, O, 2H, 2W).

    The same as of `convolve` holds, but H and W may be odd.
    """
    return _convolve(_DOUBLED, input, weight, bias)


def _convolve(rule: _Rule, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    pixels = input.permute(0, 2, 3, 1)
    batch, height, width, inputs = pixels.shape
    outputs = len(weight)
    high, wide = height // rule.step, width // rule.step  # pairs of outputs
    products = rule.factors**2
    # First the factor of the column, then that of the row, then the product of the matrices.
    right = rule.weights(rule.weights(weight.unbind(2)).unbind(-1)).flatten(0, 1).mT

    tiles = max(NUMBERS // (products * max(inputs, outputs)), ROWS)
    part = min(max(tiles // (batch * wide), 1), high)
    room = products * batch * part * wide
    half = pixels.new_zeros(rule.factors, batch, part, width + 2, inputs)  # its edges stay zero
    before, after = pixels.new_empty(room * inputs), pixels.new_empty(room * outputs)
    result = pixels.new_empty(batch, high, 2, wide, 2, outputs)
    for start in range(0, high, part):
        stop = min(start + part, high)
        shape = (rule.factors, rule.factors, batch, stop - start, wide)
        room = products * batch * (stop - start) * wide
        rows = _padded(pixels, start * rule.step - 1, stop * rule.step + 1)
        columns = half[:, :, : stop - start]
        rule.inputs(rule.windows(rows, 1), columns[..., 1:-1, :])
        left = before[: room * inputs].view(*shape, inputs)
        rule.inputs(rule.windows(columns, 3), left)
        product = after[: room * outputs].view(products, -1, outputs)
        torch.bmm(left.view(products, -1, inputs), right, out=product)
        product = product.view(*shape, outputs)
        if bias is not None:
            product[1, 1] += bias  # the one that is in all four outputs, and is added there
        rule.outputs(product, product[0], product[1])
        pair = result[:, start:stop]
        for column in range(2):
            rule.outputs(product[column], pair[:, :, 0, :, column], pair[:, :, 1, :, column])
    return result.view(batch, 2 * high, 2 * wide, outputs).permute(0, 3, 1, 2)


def _padded(pixels: Tensor, start: int, stop: int) -> Tensor:
    """Rows of (B, H, W, C), where -1 and H stand for rows of zeros."""
    height = pixels.shape[1]
    rows = pixels[:, max(start, 0) : min(stop, height)]
    if start < 0 or stop > height:
        return F.pad(rows, (0, 0, 0, 0, max(-start, 0), max(stop - height, 0)))
    return rows
