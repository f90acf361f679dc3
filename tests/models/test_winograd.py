"""Convolutions with fewer products are those of torch."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.models import kernels, winograd
from engine.models.kernels import Conv2d
from engine.models.layers import Upsample2D
from tests.compare import relative_error

TOLERANCE = 2e-6


def drawn(*shape: int) -> Tensor:
    tensor = torch.randn(shape)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def exact(input: Tensor, weight: Tensor, bias: Tensor | None, double: bool) -> Tensor:
    input = input.double()
    if double:
        input = F.interpolate(input, scale_factor=2.0, mode="nearest")
    bias = None if bias is None else bias.double()
    return F.conv2d(input, weight.double(), bias, padding=1).float()


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer products however small the layer is."""
    for name in ("_CHANNELS", "_PIXELS", "_NUMBERS", "_DOUBLED_PIXELS", "_DOUBLED_NUMBERS"):
        monkeypatch.setattr(kernels, name, 1)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the functions of `winograd` that were called."""
    called: list[str] = []

    def spied(name: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def spy(*tensors: Tensor) -> Tensor:
            called.append(name)
            return function(*tensors)

        return spy

    for name in winograd.__all__:
        monkeypatch.setattr(winograd, name, spied(name, getattr(winograd, name)))
    return called


@pytest.mark.parametrize("rows", [1, 40, 1000])  # multiplied at a time: the picture in parts
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "none"])
@pytest.mark.parametrize("size", [(2, 2), (8, 8), (6, 14), (10, 4)], ids=str)
@pytest.mark.parametrize("batch", [1, 3])
def test_results(
    batch: int, size: tuple[int, int], bias: bool, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "NUMBERS", 1)
    monkeypatch.setattr(winograd, "ROWS", rows)
    for double in (False, True):
        sides = tuple(side - 1 for side in size) if double else size
        tensors = drawn(batch, 5, *sides), drawn(7, 5, 3, 3), drawn(7) if bias else None
        got = (winograd.double_and_convolve if double else winograd.convolve)(*tensors)
        assert relative_error(got, exact(*tensors, double)) <= TOLERANCE
        assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("channels", "size", "double"), [(320, 64, False), (512, 16, True), (256, 24, True)]
)
@torch.no_grad()
def test_large_layers(channels: int, size: int, double: bool, calls: list[str]) -> None:
    """They take the way of their own, and are no less exact than the other one."""
    layer = Conv2d(channels, channels, 3, padding=1).requires_grad_(False)
    input = drawn(1, channels, size, size)
    expected = exact(input, layer.weight, layer.bias, double)
    assert relative_error(layer(input, double=double), expected) <= TOLERANCE
    assert len(calls) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [None, (12, 10), (11, 10), (12, 9)], ids=str)
@torch.no_grad()
def test_upsampling(
    size: tuple[int, int] | None, dtype: torch.dtype, every_size: None, calls: list[str]
) -> None:
    layer = Upsample2D(16).to(dtype).requires_grad_(False)
    input = drawn(2, 16, 6, 5)
    larger = F.interpolate(input, size=size or (12, 10), mode="nearest")
    expected = exact(larger, layer.conv.weight, layer.conv.bias, double=False)
    got = layer(input, None if size is None else torch.Size(size))
    assert relative_error(got, expected) <= TOLERANCE
    # what is not exactly doubled is convolved as any picture, and one with an odd side by torch
    assert calls == (["double_and_convolve"] if size in (None, (12, 10)) else [])


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": 3, "padding": 0},
        {"kernel_size": 1},
        {"kernel_size": 5, "padding": 2},
    ],
    ids=str,
)
@torch.no_grad()
def test_other_kernels(settings: dict[str, int], every_size: None, calls: list[str]) -> None:
    Conv2d(4, 4, **settings).requires_grad_(False)(drawn(1, 4, 8, 8))
    assert not calls


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("trained", ["input", "weight", "bias"])
def test_gradients(trained: str, double: bool, every_size: None, calls: list[str]) -> None:
    """Where one is asked for, torch convolves; a frozen weight asks for none."""
    layer = Conv2d(4, 4, 3, padding=1).requires_grad_(False)
    input = drawn(1, 4, 8, 8)
    tensors = {"input": input, "weight": layer.weight, "bias": layer.bias}
    wanted = tensors[trained]
    assert wanted is not None
    wanted.requires_grad_(True)
    layer(input, double=double).square().sum().backward()
    assert not calls
    larger = F.interpolate(input, scale_factor=2.0) if double else input
    expected = F.conv2d(larger, layer.weight, layer.bias, padding=1).square().sum()
    (gradient,) = torch.autograd.grad(expected, wanted)
    assert wanted.grad is not None
    assert relative_error(wanted.grad, gradient) <= TOLERANCE

    wanted.requires_grad_(False)
    layer(input, double=double)
    assert len(calls) == 1


@pytest.mark.parametrize("function", [winograd.convolve, winograd.double_and_convolve])
def test_what_is_not_a_number_stays_near(function: Callable[..., Tensor]) -> None:
    input, weight = drawn(1, 4, 16, 16), drawn(4, 4, 3, 3)
    input[0, 0, 0, 0] = math.nan
    got = function(input, weight, None)
    assert got[..., :1, :1].isnan().all() and not got[..., 8:, 8:].isnan().any()
