"""The optimizer of matrices."""

import pytest
import torch
from torch import nn

from training.muon import Muon, matrices


def test_it_takes_the_weights_of_layers_and_nothing_else():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.Linear(8, 4), nn.Embedding(9, 4)
    )
    assert [tuple(weight.shape) for weight in matrices(model)] == [(8, 3, 3, 3), (4, 8)]


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (16, 8, 3, 3)])
def test_a_step_is_as_long_in_every_direction(shape):
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(shape))
    scales = torch.logspace(0, -2, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    weight.grad = torch.randn(shape) * scales  # most of it in a few rows
    Muon([weight], lr=0.1, decay=0).step()
    step = weight.detach().flatten(1)
    lengths = torch.linalg.svdvals(step) / (0.1 * 0.2 * max(step.shape) ** 0.5)
    assert lengths.max() < 1.3 and lengths.min() > 0.6


def test_it_follows_torch_where_torch_has_it():
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch.optim.Muon came with torch 2.9")
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(16, 32)) for _ in range(2))
    one = Muon([ours], lr=0.02)
    other = torch.optim.Muon(
        [theirs], lr=0.02, weight_decay=0.01, adjust_lr_fn="match_rms_adamw", ns_steps=5
    )
    for _ in range(5):
        ours.grad = torch.randn(16, 32)
        theirs.grad = ours.grad.clone()
        one.step()
        other.step()
    assert (ours - theirs).abs().max() < 2e-3  # torch rounds to bfloat16 on its way
