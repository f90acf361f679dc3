"""Whole trajectories against diffusers."""

from typing import Any

import pytest
import torch

from engine.errors import EngineError
from engine.schedulers import SCHEDULERS
from engine.schedulers.points import PREDICTIONS
from engine.schedulers.tables import SPACINGS
from tests.schedulers.oracle import (
    STABLE_DIFFUSION,
    difference,
    exactly,
    noise,
    pair,
    trajectory,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of diffusers

STEPS = (1, 2, 5, 20, 50)

OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "DDIM": {
        "default": {},
        "unclipped": {"clip_sample": False},
        "alpha_0": {"clip_sample": False, "set_alpha_to_one": False},
        "thresholding": {"thresholding": True, "sample_max_value": 2.0},
        "range": {"clip_sample_range": 0.7},
        "zero_snr": {"rescale_betas_zero_snr": True},
    },
    "DDPM": {
        "default": {},
        "unclipped": {"clip_sample": False},
        "thresholding": {"thresholding": True, "sample_max_value": 2.0},
        "range": {"clip_sample_range": 0.7},
        "zero_snr": {"rescale_betas_zero_snr": True},
        "small_log": {"variance_type": "fixed_small_log"},
        "large": {"variance_type": "fixed_large", "clip_sample": False},
        "learned": {"variance_type": "learned"},
        "learned_range": {"variance_type": "learned_range"},
    },
    "Euler": {
        "default": {},
        "karras": {"use_karras_sigmas": True},
        "exponential": {"use_exponential_sigmas": True},
        "beta": {"use_beta_sigmas": True},
        "karras_ends": {"use_karras_sigmas": True, "sigma_min": 0.1, "sigma_max": 10.0},
        "log_linear": {"interpolation_type": "log_linear"},
        "sigma_min": {"final_sigmas_type": "sigma_min"},
        "continuous": {"timestep_type": "continuous"},
    },
    "PNDM": {
        "plms": {"skip_prk_steps": True},
        "alpha_1": {"skip_prk_steps": True, "set_alpha_to_one": True},
        "runge_kutta": {},
    },
}
# options of `step`, on top of the first configuration above
STEP_OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "DDIM": {
        "eta": {"eta": 0.6},
        "ddpm": {"eta": 1.0},
        "reclipped": {"use_clipped_model_output": True},
    },
    "DDPM": {"generator": {}},
    "Euler": {
        "churn": {"s_churn": 4.0},
        "churn_between": {"s_churn": 40.0, "s_tmin": 0.5, "s_tmax": 5.0, "s_noise": 1.01},
    },
    "PNDM": {},
}


def test_every_scheduler_is_here() -> None:
    assert OPTIONS.keys() == STEP_OPTIONS.keys() == SCHEDULERS.keys()


def known(name: str) -> list[str]:
    """The prediction types that diffusers' class takes."""
    return [kind for kind in PREDICTIONS if (name, kind) != ("PNDM", "sample")]


def cases(options: dict[str, dict[str, dict[str, Any]]]) -> list[Any]:
    return [
        pytest.param(name, option, kind, id=f"{name}-{key}-{kind}")
        for name, of_class in options.items()
        for key, option in of_class.items()
        for kind in known(name)
    ]


def steps_of(name: str, config: dict[str, Any]) -> tuple[int, ...]:
    """Numbers of steps; a Runge-Kutta warm-up needs four of them."""
    warm_up = name == "PNDM" and not config.get("skip_prk_steps")
    return tuple(steps for steps in STEPS if steps >= 4 or not warm_up)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(("name", "option", "prediction_type"), cases(OPTIONS))
def test_trajectory(name: str, option: dict[str, Any], spacing: str, prediction_type: str) -> None:
    config = STABLE_DIFFUSION | option
    config |= {"timestep_spacing": spacing, "prediction_type": prediction_type}
    ours, theirs = pair(SCHEDULERS[name][0], **config)
    for steps in steps_of(name, config):
        ours.set_timesteps(steps)
        theirs.set_timesteps(steps)
        assert ours.timesteps.dtype == theirs.timesteps.dtype
        torch.testing.assert_close(ours.timesteps, theirs.timesteps, rtol=1e-5, atol=1e-4)
        assert difference(trajectory(ours), trajectory(theirs)) <= 1e-5, steps


WIDE: list[tuple[str, dict[str, Any]]] = [
    ("DDIM", {}),
    ("DDPM", {}),
    ("DDPM", {"variance_type": "learned_range"}),
    ("Euler", {}),
    ("Euler", {"rescale_betas_zero_snr": True}),
    ("PNDM", {"skip_prk_steps": True}),
]


@pytest.mark.parametrize("beta_schedule", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("name", "option"), WIDE)
def test_trajectory_in_float64(
    name: str,
    option: dict[str, Any],
    prediction_type: str,
    spacing: str,
    beta_schedule: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tables whose sigma goes to 157 and beyond, where float32 rounds diffusers' steps coarsely."""
    config = option | {"beta_schedule": beta_schedule, "timestep_spacing": spacing}
    config |= {"prediction_type": prediction_type}
    for steps in (2, 7):
        # anew: `exactly` changes it
        ours, theirs = pair(SCHEDULERS[name][0], **config)
        ours.set_timesteps(steps)
        theirs.set_timesteps(steps)
        with monkeypatch.context() as patch:
            expected = trajectory(exactly(theirs, patch), dtype=torch.float64)
        assert difference(trajectory(ours, dtype=torch.float64), expected) <= 1e-5, steps


@pytest.mark.parametrize("set_before", [False, True])
def test_every_step_of_training(set_before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only in float64: 1 - alpha of one step is rounded to 1e-4 of itself in diffusers'."""
    ours, theirs = pair("DDPMScheduler")
    for scheduler in (ours, theirs) if set_before else ():
        scheduler.set_timesteps(1000)
    expected = trajectory(exactly(theirs, monkeypatch), dtype=torch.float64)
    assert difference(trajectory(ours, dtype=torch.float64), expected) <= 1e-5


@pytest.mark.parametrize(("fixed", "kept_as"), [("small", "small_log"), ("large", "large_log")])
def test_a_fixed_variance_is_the_same_as_its_logarithm(fixed: str, kept_as: str) -> None:
    # diffusers takes the root of the logarithm of the large one, which is NaN
    seen = []
    for kind in (fixed, kept_as):
        ours, _ = pair("DDPMScheduler", variance_type=f"fixed_{kind}")
        ours.set_timesteps(10)
        seen.append(trajectory(ours))
    assert difference(*seen) == 0


@pytest.mark.parametrize(("variance_type", "channels"), [("learned", 3), ("fixed_small", 6)])
def test_a_variance_of_the_wrong_kind(variance_type: str, channels: int) -> None:
    ours, _ = pair("DDPMScheduler", variance_type=variance_type)
    m = torch.zeros(2, channels, 2, 2)
    with pytest.raises(EngineError, match=f"{9 - channels} output channels.* has {channels}"):
        ours.step(m, 500, noise())


@pytest.mark.parametrize(("name", "options", "prediction_type"), cases(STEP_OPTIONS))
def test_step_options(name: str, options: dict[str, Any], prediction_type: str) -> None:
    for steps in STEPS:
        ours, theirs = pair(
            SCHEDULERS[name][0], **STABLE_DIFFUSION, prediction_type=prediction_type
        )
        seen = []
        for scheduler in (ours, theirs):
            scheduler.set_timesteps(steps)
            generator = torch.Generator().manual_seed(5)
            seen.append(trajectory(scheduler, generator=generator, **options))
        assert difference(*seen) <= 1e-5, steps


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [5, 20, 50])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_start_in_mid_schedule(name: str, steps: int, prediction_type: str) -> None:
    plms = {"skip_prk_steps": True} if name == "PNDM" else {}
    ours, theirs = pair(
        SCHEDULERS[name][0], **STABLE_DIFFUSION, **plms, prediction_type=prediction_type
    )
    for start in (1, steps // 2, steps - 1):
        ours.set_timesteps(steps)
        theirs.set_timesteps(steps)
        assert difference(trajectory(ours, start), trajectory(theirs, start)) <= 1e-5, start


@pytest.mark.parametrize(
    ("name", "custom"),
    [
        ("DDPM", {"timesteps": [999, 850, 736, 24]}),
        ("Euler", {"timesteps": [999, 850, 736, 24]}),
        ("Euler", {"sigmas": [14.615, 6.475, 0.963, 0.152, 0.0]}),
    ],
    ids=["DDPM", "Euler", "Euler-sigmas"],
)
def test_custom_schedule(name: str, custom: dict[str, Any]) -> None:
    ours, theirs = pair(SCHEDULERS[name][0], **STABLE_DIFFUSION)
    ours.set_timesteps(**custom)
    theirs.set_timesteps(**custom)
    assert ours.num_inference_steps == 4
    torch.testing.assert_close(ours.timesteps, theirs.timesteps)
    if hasattr(theirs, "sigmas"):
        torch.testing.assert_close(ours.sigmas, theirs.sigmas)
    assert difference(trajectory(ours), trajectory(theirs)) <= 1e-5


def test_given_noise_is_used() -> None:
    ours, theirs = pair("DDIMScheduler", clip_sample=False)
    seen = []
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(5)
        seen.append(trajectory(scheduler, eta=0.5, variance_noise=noise(7)))
    assert difference(*seen) <= 1e-5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_half_precision_samples_are_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    ours, _ = pair(SCHEDULERS[name][0], **STABLE_DIFFUSION)
    x, drawn = noise().to(dtype), noise(1).to(dtype)
    ours.set_timesteps(5)
    t = ours.timesteps[0]
    half = ours.step(x, t, x, variance_noise=drawn)
    ours.set_timesteps(5)
    full = ours.step(x.float(), ours.timesteps[0], x.float(), variance_noise=drawn.float())
    assert half.prev_sample.dtype == half.pred_original_sample.dtype == dtype
    assert torch.equal(half.prev_sample, full.prev_sample.to(dtype))
