"""Calls as scripts for diffusers make them: names, order, and what they mean."""

import operator
from inspect import signature
from typing import Any

import pytest
import torch

import engine.schedulers
from engine.errors import EngineError
from tests.compare import relative_error
from tests.schedulers.cases import CLASSES
from tests.schedulers.oracle import (
    QUIET,
    STABLE_DIFFUSION,
    difference,
    error,
    fitting,
    keys,
    noise,
    pair,
    theirs,
    trajectory,
)

pytestmark = QUIET

BY_NAME = {"generator", "variance_noise", "return_dict"}
"""Keywords of every `step` here: in diffusers their place differs from class to class."""

LEFT_OUT = {
    "per_token_timesteps": "no model here is told more than one timestep for a picture",
    "pred_original_sample": "x0 is always in the output",
    "kwargs": "DDIMInverse's are names of settings before 2023",
}


def names(function: Any) -> list[str]:
    return [name for name in signature(function).parameters if name != "self"]


@pytest.mark.parametrize("cls", CLASSES)
def test_names_and_order_are_those_of_diffusers(cls: str) -> None:
    ours, other = getattr(engine.schedulers, cls), theirs(cls)
    taken = names(other.set_timesteps)
    assert ["num_inference_steps", "device", *ours.takes][: len(taken)] == taken
    own = [name for name in names(other.step) if name not in BY_NAME | LEFT_OUT.keys()]
    assert own == ["model_output", "timestep", "sample", *ours.step_options]
    assert set(names(ours.step)) > BY_NAME
    settings = [name for name in names(other.__init__) if name not in LEFT_OUT]
    assert set(settings) == set(names(ours))
    places = ours.positional
    assert names(ours)[:places] == settings[:places]
    kinds = [parameter.kind for parameter in signature(ours).parameters.values()]
    assert kinds[:places] == [kinds[0]] * len(kinds[:places]) and kinds[0] not in kinds[places:]
    if hasattr(other, "add_noise"):
        assert names(ours.add_noise) == names(other.add_noise)


@pytest.mark.parametrize("cls", CLASSES)
def test_settings_may_be_given_by_place(cls: str) -> None:
    kind = getattr(engine.schedulers, cls)
    values = list(kind.defaults.values())[: kind.positional]
    assert kind(*values).config.given == set(list(kind.defaults)[: kind.positional])
    with pytest.raises(EngineError, match=r"6 are given by place, which are: .*Name"):
        kind(1, 2, 3, 4, 5, 6)
    with pytest.raises(EngineError, match="by place"):
        kind(*values, **{next(iter(kind.defaults)): values[0]})


def test_a_script_by_place() -> None:
    for library in (engine.schedulers, __import__("diffusers")):
        scheduler = library.DDPMScheduler(1000, 1e-4, 0.03, "linear")
        assert scheduler.config.beta_end == 0.03
        scheduler = library.DDIMScheduler(1000, 0.00085, 0.012, "scaled_linear")
        scheduler.set_timesteps(5, "cpu")
        t = scheduler.timesteps[0]
        torch.manual_seed(1)
        noisy = scheduler.step(noise(1), t, noise(), 1.0).prev_sample
        assert not torch.equal(noisy, scheduler.step(noise(1), t, noise()).prev_sample)
        scheduler = library.LCMScheduler()
        scheduler.set_timesteps(4, "cpu", 40)
        assert scheduler.timesteps.tolist() == [999, 749, 499, 249]
    with pytest.raises(EngineError, match="4 are given by place, which are: eta, use_clipped"):
        engine.schedulers.DDIMScheduler().step(noise(), 3, noise(), 1.0, False, None, None)


SCHEDULES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    *[
        (cls, {}, {"num_inference_steps": steps, **more})
        for cls in ("LCMScheduler", "TCDScheduler")
        for steps in (1, 4, 7)
        for more in (
            {"original_inference_steps": 100},
            {"strength": 0.6},
            {"strength": 0.5, "original_inference_steps": 25},
        )
    ],
    ("TCDScheduler", {}, {"timesteps": [999, 759, 499, 19], "strength": 0.5}),
    *[
        (cls, {"timestep_spacing": spacing}, {"num_inference_steps": 7, "num_train_timesteps": 800})
        for cls in ("HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "DPMSolverSDEScheduler")
        for spacing in ("linspace", "leading", "trailing")
    ],
    *[
        ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, schedule)
        for schedule in (
            {"num_inference_steps": 3, "sigmas": [1.0, 0.6, 0.2]},
            {"num_inference_steps": 3, "timesteps": [999.0, 600.0, 200.0]},
            {"timesteps": [999.0, 600.0, 200.0], "sigmas": [1.0, 0.6, 0.2]},
            {"num_inference_steps": 5, "mu": 0.7},
        )
    ],
]


@pytest.mark.parametrize(("cls", "config", "schedule"), SCHEDULES, ids=str)
def test_schedules_as_in_diffusers(
    cls: str, config: dict[str, Any], schedule: dict[str, Any]
) -> None:
    schedulers = pair(cls, **fitting(cls, STABLE_DIFFUSION) | config)
    assert error(schedulers, exact=True, **schedule) <= 1e-5


@pytest.mark.parametrize(
    ("cls", "schedule", "message"),
    [
        ("LCMScheduler", {"strength": 1.5}, r"strength is 1\.5; choose 0\.0 to 1\.0"),
        ("LCMScheduler", {"strength": 0.1}, "is 6; choose 1 to 5"),
        ("TCDScheduler", {"original_inference_steps": 0}, "is 0; choose 1 to 1000"),
        ("LCMScheduler", {"original_inference_steps": 1001}, "is 1001; choose 1 to 1000"),
        ("HeunDiscreteScheduler", {"num_train_timesteps": 0}, "num_train_timesteps is 0"),
        (
            "EulerDiscreteScheduler",
            {"num_train_timesteps": 5},
            "no argument of set_timesteps 'num_",
        ),
        ("FlowMatchEulerDiscreteScheduler", {"sigmas": [1.0, 0.5]}, "exactly one"),
        ("DDPMScheduler", {"timesteps": [9, 5, 4, 3, 2, 1]}, "exactly one"),
    ],
)
def test_bad_schedules(cls: str, schedule: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        getattr(engine.schedulers, cls)().set_timesteps(6, **schedule)


@pytest.mark.parametrize("dynamic", [False, True])
def test_set_shift(dynamic: bool) -> None:
    ours, other = pair("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=dynamic)
    ours.set_shift(3.0)
    other.set_shift(3.0)
    mu = {"mu": 0.5} if dynamic else {}
    assert error((ours, other), num_inference_steps=5, **mu) <= 1e-5
    with pytest.raises(EngineError, match=r"shift is 0\.0; choose"):
        ours.set_shift(0.0)


def test_flow_by_its_own_words() -> None:
    ours, other = pair("FlowMatchEulerDiscreteScheduler", shift=3.0)
    for scheduler in (ours, other):
        scheduler.set_timesteps(6)
    t = ours.timesteps[[2, 4]]
    expected = other.scale_noise(noise(1), other.timesteps[[2, 4]], noise(2))
    assert relative_error(ours.scale_noise(noise(1), t, noise(2)), expected) <= 1e-6
    assert difference(trajectory(ours, s_churn=0.0), trajectory(other, s_churn=0.0)) <= 1e-5
    with pytest.raises(EngineError, match=r"s_churn \(Flow Euler has none"):
        ours.step(noise(), ours.timesteps[0], noise(), s_churn=1.0)


def test_the_last_of_custom_timesteps_may_be_asked_for() -> None:
    """As in diffusers' LCM, but that its last step adds noise then, as if there were more."""
    ours, other = pair("LCMScheduler")
    for scheduler in (ours, other):
        scheduler.set_timesteps(timesteps=[999, 759, 499, 19], strength=0.5)
    assert ours.timesteps.tolist() == other.timesteps.tolist() == [499, 19]
    assert ours.num_inference_steps == 2


def test_lcm_tells_what_is_denoised() -> None:
    seen = []
    for scheduler in pair("LCMScheduler"):
        scheduler.set_timesteps(4)
        torch.manual_seed(3)
        seen.append(scheduler.step(noise(1), scheduler.timesteps[1], noise()).denoised)
    assert relative_error(*seen) <= 1e-5


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if hasattr(theirs(cls), "begin_index")])
def test_the_place_in_the_schedule_is_told(cls: str) -> None:
    for scheduler in pair(cls):
        scheduler.set_timesteps(5)
        place = operator.attrgetter("begin_index", "step_index")
        assert place(scheduler) == (None, None)
        scheduler.set_begin_index(1)
        assert place(scheduler) == (1, None)
        if cls != "DPMSolverSDEScheduler":  # diffusers' draws a Brownian path of its own
            scheduler.step(noise(), scheduler.timesteps[1], noise())
            assert place(scheduler) == (1, 2)
        scheduler.set_timesteps(5)
        assert place(scheduler) == (None, None)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if "beta_schedule" in keys(cls)])
def test_alphas(cls: str) -> None:
    ours, other = pair(cls)
    assert torch.equal(ours.alphas, other.alphas)
