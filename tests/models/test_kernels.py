"""Dtype and layout in which the networks compute."""

from typing import Any

import pytest
import torch

from engine.models import AutoencoderKL, UNet2DConditionModel, UNet2DModel, kernels
from engine.models.model import Model
from tests.compare import relative_error
from tests.models.published import CAT256, SD15, VAE15, toy

HALVES = (torch.bfloat16, torch.float16)
NETWORKS: dict[str, tuple[type[Model], dict[str, Any], list[torch.Tensor]]] = {
    "conditional": (UNet2DConditionModel, SD15, [torch.ones(2, 4, 16, 16), torch.ones(2, 7, 24)]),
    "unconditional": (UNet2DModel, CAT256, [torch.ones(1, 3, 32, 32)]),
    "autoencoder": (AutoencoderKL, VAE15, [torch.ones(1, 3, 32, 32)]),
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> tuple[Model, list[torch.Tensor]]:
    torch.manual_seed(0)
    model, config, shapes = NETWORKS[request.param]
    return model.from_config(toy(config)).eval(), [torch.randn_like(shape) for shape in shapes]


def run(model: Model, inputs: list[torch.Tensor]) -> torch.Tensor:
    if isinstance(model, AutoencoderKL):
        return model(*inputs).sample
    sample, *text = inputs
    return model(sample, 501, *text).sample


@pytest.mark.parametrize(
    ("mkldnn", "avx512", "avx512_bf16", "native"),
    [
        (False, False, False, False),
        (True, False, False, True),  # not of the x86 family
        (True, True, False, False),
        (True, True, True, True),
    ],
)
def test_bfloat16_is_computed_in_only_where_the_processor_can(
    mkldnn: bool, avx512: bool, avx512_bf16: bool, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: mkldnn)
    monkeypatch.setattr(torch.cpu, "_is_avx512_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    cpu = torch.device("cpu")
    expected = torch.bfloat16 if native else torch.float32
    assert kernels.compute_dtype(torch.bfloat16, cpu) == expected
    assert kernels.compute_dtype(torch.float16, cpu) == torch.float32


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32, torch.float64])
def test_other_devices_and_full_precision_are_left_alone(dtype: torch.dtype) -> None:
    assert kernels.compute_dtype(dtype, torch.device("cuda")) == dtype
    if dtype not in HALVES:
        assert kernels.compute_dtype(dtype, torch.device("cpu")) == dtype


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": 3, "stride": 2, "bias": False},
        {"kernel_size": 1},
        {"kernel_size": (1, 3), "padding": (0, 1)},
    ],
    ids=str,
)
@pytest.mark.parametrize("channels", [16, 128], ids=["convolution", "product"])
@torch.no_grad()
def test_convolutions_of_all_kinds(channels: int, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = kernels.Conv2d(6, channels, **settings).requires_grad_(False)
    input = torch.randn(2, 6, 5, 6)
    assert layer._is_mostly_weight(input) == (channels == 128)
    expected = torch.nn.functional.conv2d(
        input.double(),
        layer.weight.double(),
        None if layer.bias is None else layer.bias.double(),
        layer.stride,
        layer.padding,
    )
    assert relative_error(layer(kernels.enter(input, torch.float32)).double(), expected) <= 1e-6


@pytest.mark.parametrize("dtype", HALVES)
@torch.no_grad()
def test_half_precision_is_in_the_weights_and_not_in_the_sums(
    dtype: torch.dtype, network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_has_bfloat16", lambda: False)
    model, inputs = network
    model.to(dtype)
    inputs = [tensor.to(dtype) for tensor in inputs]
    got = run(model, inputs)
    assert got.dtype == dtype
    assert {tensor.dtype for tensor in model.state_dict().values()} == {dtype}
    expected = run(model.float(), [tensor.float() for tensor in inputs])
    # One rounding, or two where the latents of the autoencoder are rounded as well.
    assert relative_error(got.float(), expected) <= 8 * torch.finfo(dtype).eps


def test_layouts(network: Any) -> None:
    model, inputs = network
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    trained = run(model, inputs).detach()
    assert all(parameter.is_contiguous() for parameter in model.parameters())
    with torch.inference_mode():
        got = run(model, inputs)
    assert got.is_contiguous()
    assert relative_error(got, trained) <= 1e-5
    after = model.state_dict()
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())
    run(model, inputs).sum().backward()  # and it can still be trained
    wide = [m.weight for m in model.modules() if isinstance(m, kernels.Conv2d)]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in wide)


def test_gradients_pass_through_what_is_overwritten(network: Any) -> None:
    """The slope along a random direction is that of a small step to either side."""
    model, inputs = network
    model.double()
    inputs = [tensor.double() for tensor in inputs]
    run(model, inputs).square().mean().backward()
    weights = list(model.parameters())
    direction = [torch.randn_like(weight) for weight in weights]
    slope = sum((weight.grad * way).sum() for weight, way in zip(weights, direction, strict=True))
    step, values = 1e-6, []
    with torch.no_grad():
        for distance in (step, -2 * step):
            for weight, way in zip(weights, direction, strict=True):
                weight += distance * way
            values.append(run(model, inputs).square().mean())
    assert float((values[0] - values[1]) / (2 * step)) == pytest.approx(float(slope), rel=1e-4)


def test_what_ran_can_be_saved(network: Any, tmp_path: Any) -> None:
    model, inputs = network
    with torch.no_grad():
        expected = run(model, inputs)
        model.save_pretrained(tmp_path)
        assert relative_error(run(model.from_pretrained(tmp_path), inputs), expected) <= 1e-5
