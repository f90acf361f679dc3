"""How layers compute: in the dtype and memory layout that measuring found fastest on a device.

docs/performance.md has the figures.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models import winograd

__all__ = ["Conv2d", "GroupNorm", "LayerNorm", "Linear", "compute_dtype", "enter", "leave", "like"]


# From how many channels on, how many pixels that enter, and how many of both multiplied, a 3x3
# convolution is faster with fewer products, and where every pixel is doubled before it.
_CHANNELS = 256
_PIXELS, _NUMBERS = 2048, 5 << 18
_DOUBLED_PIXELS, _DOUBLED_NUMBERS = 128, 1 << 16


def compute_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """The dtype to compute in where weights are kept in `dtype`.

    It is float32 for half precision on a processor without instructions for it, where emulation
    is many times slower. The processor is asked, not timed: a seed gives the same picture always.
    """
    if device.type != "cpu" or dtype not in (torch.bfloat16, torch.float16):
        return dtype
    return dtype if dtype == torch.bfloat16 and _has_bfloat16() else torch.float32


def _has_bfloat16() -> bool:
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    # Every processor with AVX-512 counts as supported there, also those that only convert.
    return torch.cpu._is_avx512_bf16_supported() or not torch.cpu._is_avx512_supported()


def _layout(device: torch.device) -> torch.memory_format:
    """Channels last on a processor, where its convolutions want them so."""
    return torch.channels_last if device.type == "cpu" else torch.contiguous_format


def enter(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Bring what enters a network with weights of `dtype` into the form to compute in.

    tensor: (B, C, H, W), whose layout every layer then keeps, or a sequence of embeddings.
    """
    dtype = compute_dtype(dtype, tensor.device)
    if tensor.ndim == 4:
        return tensor.to(dtype, memory_format=_layout(tensor.device))
    return tensor.to(dtype)


def leave(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Bring what a network returns into the dtype of its weights and the usual layout."""
    return tensor.to(dtype, memory_format=torch.contiguous_format)


def like(parameter: Tensor, hidden: Tensor) -> Tensor:
    """A weight in the precision of `hidden` where that is higher, for the length of one call."""
    return parameter.to(torch.promote_types(parameter.dtype, hidden.dtype))


def _parameters(
    layer: nn.Conv2d | nn.Linear | nn.GroupNorm | nn.LayerNorm, hidden: Tensor
) -> tuple[Tensor, Tensor | None]:
    bias: Tensor | None = layer.bias  # the annotation of torch forgets that there may be none
    return like(layer.weight, hidden), None if bias is None else like(bias, hidden)


def _needs_gradient(*tensors: Tensor | None) -> bool:
    found = any(tensor is not None and tensor.requires_grad for tensor in tensors)
    return found and torch.is_grad_enabled()


class Conv2d(nn.Conv2d):
    """Convolution in the precision of its input; its weight is kept in the layout of the device.

    A weight is left as it is while its gradient is needed. There are neither groups nor dilation.
    """

    def forward(self, input: Tensor, double: bool = False) -> Tensor:
        """Convolve (B, C, H, W); double: with every pixel repeated in height and width before."""
        trained, layout = _needs_gradient(self.weight), _layout(input.device)
        if not (trained or self.weight.is_contiguous(memory_format=layout)):
            # a weight made in inference mode could never be trained again
            with torch.inference_mode(False):
                self.weight.data = self.weight.data.contiguous(memory_format=layout)
        weight, bias = _parameters(self, input)
        # the gradient of what fewer products give is not defined
        fewer = not (trained or _needs_gradient(input, bias))
        if double:
            if fewer and self._saves_products(input, _DOUBLED_PIXELS, _DOUBLED_NUMBERS):
                return winograd.double_and_convolve(input, weight, bias)
            input = F.interpolate(input, scale_factor=2.0, mode="nearest")
        if self._is_mostly_weight(input) and not trained:
            return self._as_product(input, weight, bias)
        even = input.shape[2] % 2 == 0 == input.shape[3] % 2
        if fewer and even and self._saves_products(input, _PIXELS, _NUMBERS):
            return winograd.convolve(input, weight, bias)
        return self._conv_forward(input, weight, bias)

    def _saves_products(self, input: Tensor, pixels: int, numbers: int) -> bool:
        """Whether there is so much to multiply that saving a part outweighs the sums for it."""
        of_kind = (*self.kernel_size, *self.stride, *self.padding) == (3, 3, 1, 1, 1, 1)
        if not of_kind or input.device.type != "cpu" or input.dtype != torch.float32:
            return False
        batch, _, height, width = input.shape
        channels, found = min(self.in_channels, self.out_channels), batch * height * width
        return channels >= _CHANNELS and found >= pixels and found * channels >= numbers

    def _is_mostly_weight(self, input: Tensor) -> bool:
        """Whether reordering the weight, as a convolution does at every call, would cost most."""
        batch, _, height, width = input.shape
        pixels = batch * height * width // (self.stride[0] * self.stride[1])
        on_processor = input.device.type == "cpu" and input.dtype == torch.float32
        return on_processor and 2 * pixels <= self.out_channels

    def _as_product(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve as one matrix product, which takes the weight (O, I, k, k) as it is."""
        (high, wide), (down, right) = self.kernel_size, self.stride
        top, left = (int(size) for size in self.padding)
        pixels = F.pad(input.permute(0, 2, 3, 1), (0, 0, left, left, top, top))
        patches = pixels.unfold(1, high, down).unfold(2, wide, right).permute(0, 1, 2, 4, 5, 3)
        product = F.linear(patches.flatten(3), weight.permute(0, 2, 3, 1).flatten(1), bias)
        return product.permute(0, 3, 1, 2)


class Linear(nn.Linear):
    """Linear layer in the precision of its input."""

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, *_parameters(self, input))


class GroupNorm(nn.GroupNorm):
    """Group normalisation in the precision of its input."""

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, *_parameters(self, input), self.eps)


class LayerNorm(nn.LayerNorm):
    """Layer normalisation in the precision of its input."""

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, *_parameters(self, input), self.eps)
