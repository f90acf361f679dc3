"""Where diffusers' own steps are broken, and what ours are compared with in their place."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.errors import EngineError
from engine.schedulers import DDIMInverseScheduler
from tests.compare import relative_error
from tests.schedulers.cases import SHAPED
from tests.schedulers.oracle import (
    STABLE_DIFFUSION,
    arrives,
    difference,
    fitting,
    noise,
    pair,
    trajectory,
)

pytestmark = [  # of diffusers
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning"),
]

MULTISTEP = "DPMSolverMultistepScheduler"
SINGLESTEP = "DPMSolverSinglestepScheduler"
UNIPC = "UniPCMultistepScheduler"
SA = "SASolverScheduler"
PNDM = "PNDMScheduler"


def both(cls: str, steps: int, **config: Any) -> tuple[Any, Any]:
    ours, theirs = pair(cls, **fitting(cls, STABLE_DIFFUSION) | config)
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(steps)
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)
    return ours, theirs


@pytest.mark.parametrize("steps", [4, 20])
@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("option", [{"solver_type": "bh1"}, {"predict_x0": False}], ids=str)
def test_unipc_to_no_noise(option: dict[str, Any], prediction_type: str, steps: int) -> None:
    """Theirs is 0 times infinity there; it is what comes of next to no noise."""
    ours, theirs = both(UNIPC, steps, prediction_type=prediction_type, **option)
    assert not trajectory(theirs)[0][-1].isfinite().any()
    theirs.set_timesteps(steps)
    theirs.sigmas[-1] = 1e-6
    assert difference(trajectory(ours), trajectory(theirs)) <= 1e-5


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_unipc_to_no_noise_has_no_higher_order(prediction_type: str) -> None:
    """Theirs solves a singular system: no polynomial goes as far as there."""
    config = {"solver_order": 3, "lower_order_final": False, "prediction_type": prediction_type}
    ours, theirs = both(UNIPC, 20, **config)
    with pytest.raises(RuntimeError, match="singular"):
        trajectory(theirs)
    _, until_then = both(UNIPC, 20, final_sigmas_type="sigma_min", **config)
    (samples, x0s), (expected, _) = trajectory(ours), trajectory(until_then)
    assert difference((samples[:-1], []), (expected[:-1], [])) <= 1e-5
    assert relative_error(samples[-1], x0s[-1]) <= 1e-6


def third_order(sigmas: list[float], x0s: list[Tensor], x: Tensor, drawn: Tensor) -> Tensor:
    """k-diffusion's step of DPM-Solver++ (3M) SDE, in its x = x0 + sigma * eps and with eta = 1.

    sigmas: of the end and of the last three calls, newest first; x0s: what those calls said.
    """
    t, *s = (-math.log(sigma) for sigma in sigmas)
    h, h_1, h_2 = t - s[0], s[0] - s[1], s[1] - s[2]
    r0, r1 = h_1 / h, h_2 / h
    d1_0, d1_1 = (x0s[0] - x0s[1]) / r0, (x0s[1] - x0s[2]) / r1
    d1 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1)
    d2 = (d1_0 - d1_1) / (r0 + r1)
    decay = math.exp(-2 * h)
    phi_2 = (decay - 1) / (2 * h) + 1
    phi_3 = phi_2 / (2 * h) - 0.5
    x = decay * x + (1 - decay) * x0s[0] + phi_2 * d1 - phi_3 * d2
    return x + sigmas[0] * (1 - decay) ** 0.5 * drawn


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("karras", [False, True])
def test_the_third_order_of_the_stochastic_equation(karras: bool, prediction_type: str) -> None:
    """One half has the wrong sign in theirs: the samples are noisier the more steps are taken."""
    config = {"algorithm_type": "sde-dpmsolver++", "solver_order": 3, "use_karras_sigmas": karras}
    ours, theirs = both(MULTISTEP, 20, prediction_type=prediction_type, **config)
    (samples, _), (expected, _) = trajectory(ours), trajectory(theirs)
    assert difference((samples[:2], []), (expected[:2], [])) <= 1e-5
    assert difference((samples[2:], []), (expected[2:], [])) >= 1e-3
    ours, _ = both(MULTISTEP, 20, prediction_type=prediction_type, **config)
    samples, x0s = trajectory(ours, dtype=torch.float64)
    torch.manual_seed(11)
    draws = [torch.randn(2, 3, 2, 2, dtype=torch.float64) for _ in samples]
    points = ours.points
    for i in range(2, len(points) - 1):
        sigmas = [points[i].next_sigma, *(points[j].sigma for j in (i, i - 1, i - 2))]
        x = samples[i - 1] / points[i].scale
        step = third_order(sigmas, x0s[i - 2 : i + 1][::-1], x, draws[i])
        assert relative_error(samples[i], step * points[i].next_scale) <= 1e-9


def spread(scheduler: Any, levels: list[float], deviation: float = 0.5) -> float:
    """The deviation that samples end with, of a picture of one number that is a Gaussian's."""
    torch.manual_seed(11)
    x = torch.randn(4000, 1, 1, 1, dtype=torch.float64)
    for t, sigma in zip(scheduler.timesteps, levels, strict=True):
        # the mean of eps, given a sample of the noised Gaussian
        m = x * (1 + sigma**2) ** 0.5 * sigma / (deviation**2 + sigma**2)
        x = scheduler.step(m, t, x).prev_sample
    return x.std().item()


@pytest.mark.parametrize("karras", [False, True])
def test_the_third_order_of_the_stochastic_equation_in_one_step(karras: bool) -> None:
    """Theirs subtracts what the derivation adds: samples end with seven times their deviation."""
    config = {"algorithm_type": "sde-dpmsolver++", "solver_order": 3, "solver_type": "heun"}
    ours, theirs = both(SINGLESTEP, 30, use_karras_sigmas=karras, **config)
    levels = [point.sigma for point in ours.points]
    assert abs(spread(ours, levels) - 0.5) <= 0.1
    assert spread(theirs, levels) >= 1


def test_a_warm_up_in_mid_schedule() -> None:
    """Theirs steps from the first levels of the schedule then, wherever the sample stands."""
    for start in (1, 4, 9):
        ours, theirs = both(PNDM, 20)
        first = trajectory(theirs, start=start)[0]
        ours.set_timesteps(20)
        assert difference((trajectory(ours, start=start)[0], []), (first, [])) >= 0.1
        ours.set_timesteps(20)
        assert arrives(ours, start)


@pytest.mark.parametrize("shape", SHAPED)
@pytest.mark.parametrize("start", [1, 5])
def test_noise_at_a_timestep_that_is_rounded(start: int, shape: str) -> None:
    """Theirs adds that of the whole timestep, not that of the level where the run goes on."""
    ours, theirs = both(SA, 10, **SHAPED[shape])
    t = ours.timesteps[start : start + 1].repeat(2)
    point = ours.points[start]
    noised = point.scale * (noise(1) + point.sigma * noise(2))
    assert relative_error(ours.add_noise(noise(1), noise(2), t), noised) <= 1e-6
    assert relative_error(theirs.add_noise(noise(1), noise(2), t), noised) >= 1e-5
    theirs.add_noise = ours.add_noise
    assert difference(trajectory(ours, start=start), trajectory(theirs, start=start)) <= 1e-5


@pytest.mark.parametrize("steps", [5, 20])
@pytest.mark.parametrize(
    ("cls", "config"),
    [
        (SINGLESTEP, {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}),
        (SA, {"algorithm_type": "noise_prediction"}),
    ],
)
def test_thresholding_by_the_noise(cls: str, config: dict[str, Any], steps: int) -> None:
    """Theirs looks up a timestep that it is never given."""
    config = config | {"thresholding": True, "sample_max_value": 2.0, "lower_order_final": True}
    ours, theirs = both(cls, steps, **config)
    convert = theirs.convert_model_output

    def told(model_output: Tensor, sample: Tensor) -> Tensor:
        return convert(model_output, theirs.timesteps[theirs.step_index], sample=sample)

    theirs.convert_model_output = told
    assert difference(trajectory(ours), trajectory(theirs)) <= 2e-5


@pytest.mark.parametrize(
    ("cls", "config"),
    [
        (MULTISTEP, {"prediction_type": "v_prediction"}),
        (SINGLESTEP, {"prediction_type": "sample"}),
        (SA, {}),
    ],
)
def test_a_learned_variance_is_left_out(cls: str, config: dict[str, Any]) -> None:
    """Theirs leaves it in but for epsilon, and SA-Solver draws noise for it."""
    seen = []
    for variance_type in ("learned", None):
        ours, _ = both(cls, 6, variance_type=variance_type, **config)
        seen.append(trajectory(ours))
    assert difference(*seen) == 0


@pytest.mark.parametrize("cls", [MULTISTEP, UNIPC, SA])
def test_a_run_of_all_timesteps(cls: str) -> None:
    """Rounding makes some levels the same, and theirs divides by their distance."""
    ours, _ = both(cls, 1000)
    assert (ours.sigmas.diff() == 0).any()
    assert all(sample.isfinite().all() for sample in trajectory(ours)[0])


@pytest.mark.parametrize("cls", [MULTISTEP, SINGLESTEP])
@pytest.mark.parametrize("solver_order", [2, 3])
def test_a_shape_that_ends_where_its_last_step_begins(cls: str, solver_order: int) -> None:
    config = {"final_sigmas_type": "sigma_min", "use_karras_sigmas": True, "solver_type": "heun"}
    ours, _ = both(cls, 20, solver_order=solver_order, **config)
    samples, _ = trajectory(ours)
    assert relative_error(samples[-1], samples[-2]) <= 1e-5


def test_inverting_a_model_of_x0_needs_noise_to_start_from() -> None:
    """Theirs divides by the noise of a clean picture."""
    with pytest.raises(EngineError, match="prediction_type is 'sample'"):
        DDIMInverseScheduler(prediction_type="sample")
    ours = DDIMInverseScheduler(prediction_type="sample", set_alpha_to_one=False)
    ours.set_timesteps(4)
    assert all(sample.isfinite().all() for sample in trajectory(ours)[0])
