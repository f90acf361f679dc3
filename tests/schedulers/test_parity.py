"""Whole trajectories against diffusers."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import engine.schedulers
from engine.errors import EngineError
from engine.schedulers.tables import SPACINGS
from tests.schedulers.cases import (
    CLASSES,
    CROSSED,
    CUSTOM,
    ELSEWHERE,
    FLOAT64,
    LEAST,
    OPTIONS,
    PLAIN,
    ROUGH,
    STEP_OPTIONS,
    TIMED,
    UPWARDS,
    predictions,
    spacings,
)
from tests.schedulers.oracle import (
    QUIET,
    STABLE_DIFFUSION,
    arrives,
    difference,
    error,
    exactly,
    fitting,
    keys,
    noise,
    pair,
    trajectory,
)

pytestmark = QUIET

STEPS = (1, 2, 5, 20, 50)


def test_every_scheduler_is_here() -> None:
    exported = {name for name in engine.schedulers.__all__ if name.endswith("Scheduler")}
    assert set(CLASSES) == exported - {"Scheduler"}
    assert STEP_OPTIONS.keys() <= exported


def settings_of(cls: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """All settings to compare: options x prediction types x spacings, as the class has them."""
    for key, option in OPTIONS[cls].items():
        for kind in predictions(cls, option):
            for spacing in spacings(cls, keys(cls), option):
                common = {"timestep_spacing": spacing, "prediction_type": kind}
                config = fitting(cls, STABLE_DIFFUSION | common) | option
                yield "-".join((cls, key, kind, spacing)).strip("-"), config


def steps_of(cls: str, config: dict[str, Any]) -> tuple[int, ...]:
    """Numbers of steps that the class can make."""
    most = (getattr(engine.schedulers, cls).defaults | config)["num_train_timesteps"]
    least = 4 if cls == "PNDMScheduler" and not config.get("skip_prk_steps") else LEAST.get(cls, 1)
    return tuple(steps for steps in STEPS if least <= steps <= most)


def listed(case: str, table: dict[str, str]) -> bool:
    return any(re.match(pattern, case) for pattern in table)


def allowed(case: str) -> dict[str, Any]:
    """How a comparison is made: in float64 where float32 shows in diffusers'."""
    return {"exact": listed(case, ROUGH)}


NAMED = {name: config for cls in CLASSES for name, config in settings_of(cls)}


@pytest.mark.parametrize("name", NAMED)
def test_trajectory(name: str) -> None:
    cls, config = name.partition("-")[0], NAMED[name]
    schedulers = pair(cls, **config)
    for steps in steps_of(cls, config):
        case = f"{name}-{steps}"
        if not listed(case, ELSEWHERE):
            found = error(schedulers, num_inference_steps=steps, **allowed(case))
            assert found <= 1e-5, case


@pytest.mark.parametrize(
    "case",
    [
        f"{name}-{steps}"
        for name, config in NAMED.items()
        for steps in STEPS
        if listed(f"{name}-{steps}", ELSEWHERE)
    ],
)
def test_where_diffusers_is_not_followed(case: str) -> None:
    """Its run is another or none; ours arrives where a model that knows the picture leads."""
    name, _, steps = case.rpartition("-")
    cls, config = name.partition("-")[0], NAMED[name]
    schedulers = ours, _ = pair(cls, **config)
    with pytest.raises((AssertionError, UnboundLocalError)):
        assert error(schedulers, num_inference_steps=int(steps)) <= 1e-5
    ours.set_timesteps(int(steps))
    sde = config.get("algorithm_type", "").startswith("sde")
    assert arrives(ours, stochastic=sde)


def crossed(cls: str, over: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Combinations that diffusers' class does right, over a shape of levels."""
    for settings in itertools.product(*CROSSED[cls]):
        config = {key: value for one in settings for key, value in one.items()}
        sde = config.get("algorithm_type", "").startswith("sde")
        heun = config.get("solver_type") == "heun" or cls == "DPMSolverMultistepScheduler"
        if sde and heun and config["solver_order"] == 3:
            continue  # one of the departures, or there is none
        end = config.get("final_sigmas_type") == "sigma_min"
        if over and end and not config["lower_order_final"]:
            continue  # a last step of no length, by which it divides
        yield over | config


@pytest.mark.parametrize(
    ("cls", "shape"),
    [(cls, shape) for cls in CROSSED for shape in ("", *TIMED) if not shape or shape in keys(cls)],
)
def test_every_order_over_every_shape(cls: str, shape: str) -> None:
    """In float64: some are differences of large numbers."""
    for config in crossed(cls, {shape: True} if shape else {}):
        schedulers = pair(cls, **fitting(cls, STABLE_DIFFUSION) | config)
        assert error(schedulers, exact=True, num_inference_steps=7) <= 1e-5, config


def test_one_step_of_ipndm_is_nothing() -> None:
    """From no signal to no noise, where x0 counts for 0: the relative error would be 0 / 0."""
    for scheduler in pair("IPNDMScheduler"):
        scheduler.set_timesteps(1)
        assert (trajectory(scheduler)[0][0] == 0).all()


@pytest.mark.parametrize("beta_schedule", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("cls", "option"), FLOAT64)
def test_trajectory_in_float64(
    cls: str,
    option: dict[str, Any],
    prediction_type: str,
    spacing: str,
    beta_schedule: str,
) -> None:
    """Tables whose sigma goes to 157 and beyond, where float32 rounds diffusers' steps coarsely."""
    config = option | {"beta_schedule": beta_schedule, "timestep_spacing": spacing}
    config |= {"prediction_type": prediction_type}
    schedulers = pair(cls, **config)
    for steps in (2, 7):
        assert error(schedulers, exact=True, num_inference_steps=steps) <= 1e-5, steps


@pytest.mark.parametrize("set_before", [False, True])
def test_every_step_of_training(set_before: bool) -> None:
    """Only in float64: 1 - alpha of one step is rounded to 1e-4 of itself in diffusers'."""
    ours, theirs = pair("DDPMScheduler")
    with exactly(theirs):
        for scheduler in (ours, theirs) if set_before else ():
            scheduler.set_timesteps(1000)
        expected = trajectory(theirs, dtype=torch.float64)
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


@pytest.mark.parametrize(
    ("cls", "key", "kind"),
    [
        (cls, key, kind)
        for cls, of_class in STEP_OPTIONS.items()
        for key in of_class
        for kind in predictions(cls, {})
    ],
)
def test_step_options(cls: str, key: str, kind: str) -> None:
    config = fitting(cls, STABLE_DIFFUSION | {"prediction_type": kind})
    schedulers = pair(cls, **config)
    for steps in steps_of(cls, config):
        how = {"seed": 5, "options": STEP_OPTIONS[cls][key]} | allowed(
            f"{cls}-{key}-{kind}-{steps}"
        )
        assert error(schedulers, num_inference_steps=steps, **how) <= 1e-5, steps


@pytest.mark.parametrize(
    ("cls", "kind"),
    [
        (cls, kind)
        for cls in CLASSES
        if cls != UPWARDS
        for kind in predictions(cls, {})
        if kind != "sample" or len(predictions(cls, {})) == 1
    ],
)
def test_start_in_mid_schedule(cls: str, kind: str) -> None:
    config = fitting(cls, STABLE_DIFFUSION | {"prediction_type": kind} | PLAIN.get(cls, {}))
    schedulers = pair(cls, **config)
    for steps in steps_of(cls, config)[-3:]:
        for start in (1, steps // 2, steps - 1):
            how = {"start": start} | allowed(f"{cls}-start-{kind}-{steps}")
            found = error(schedulers, num_inference_steps=steps, **how)
            assert found <= 1e-5, (steps, start)


@pytest.mark.parametrize(("cls", "custom"), CUSTOM)
def test_custom_schedule(cls: str, custom: dict[str, Any]) -> None:
    schedulers = ours, theirs = pair(cls, **fitting(cls, STABLE_DIFFUSION))
    assert error(schedulers, **custom) <= 1e-5
    assert ours.num_inference_steps == 4
    if hasattr(theirs, "sigmas"):
        torch.testing.assert_close(ours.sigmas, theirs.sigmas)


def test_given_noise_is_used() -> None:
    ours, theirs = pair("DDIMScheduler", clip_sample=False)
    seen = []
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(5)
        seen.append(trajectory(scheduler, eta=0.5, variance_noise=noise(7)))
    assert difference(*seen) <= 1e-5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("cls", CLASSES)
def test_half_precision_samples_are_computed_in_float32(cls: str, dtype: torch.dtype) -> None:
    ours, _ = pair(cls, **fitting(cls, STABLE_DIFFUSION) | PLAIN.get(cls, {}))
    x, drawn = noise().to(dtype), noise(1).to(dtype)
    ours.set_timesteps(5)
    t = ours.timesteps[0]
    half = ours.step(x, t, x, variance_noise=drawn)
    ours.set_timesteps(5)
    full = ours.step(x.float(), ours.timesteps[0], x.float(), variance_noise=drawn.float())
    assert half.prev_sample.dtype == half.pred_original_sample.dtype == dtype
    assert torch.equal(half.prev_sample, full.prev_sample.to(dtype))
