"""Levels of flow: shifted by the size of a picture, stretched to an end, or given."""

from typing import Any

import numpy as np
import pytest
import torch

import engine.schedulers
from engine.errors import EngineError
from tests.schedulers.oracle import difference, exactly, pair, trajectory

pytestmark = [  # of diffusers
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning"),
]

FLOW: dict[str, dict[str, Any]] = {
    "DPMSolverMultistepScheduler": {"use_flow_sigmas": True},
    "DPMSolverSinglestepScheduler": {"use_flow_sigmas": True},
    "DEISMultistepScheduler": {"use_flow_sigmas": True},
    "UniPCMultistepScheduler": {"use_flow_sigmas": True},
    "FlowMatchEulerDiscreteScheduler": {},
}
BOTH_WAYS = ("UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler")


def error(cls: str, config: dict[str, Any], **schedule: Any) -> float:
    if FLOW[cls]:
        config = config | FLOW[cls] | {"prediction_type": "flow_prediction"}
    ours, theirs = pair(cls, **config)
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(**schedule)
    torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(ours.timesteps, theirs.timesteps, rtol=1e-5, atol=1e-4)
    with exactly(theirs):
        expected = trajectory(theirs, dtype=torch.float64)
    return difference(trajectory(ours, dtype=torch.float64), expected)


@pytest.mark.parametrize("mu", [0.5, 1.15])
@pytest.mark.parametrize("steps", [1, 4, 20])
@pytest.mark.parametrize("cls", FLOW)
def test_dynamic_shift(cls: str, steps: int, mu: float) -> None:
    dynamic = {"use_dynamic_shifting": True}
    assert error(cls, dynamic, num_inference_steps=steps, mu=mu) <= 1e-5
    if cls in BOTH_WAYS:
        linear = dynamic | {"time_shift_type": "linear"}
        assert error(cls, linear, num_inference_steps=steps, mu=mu) <= 1e-5


@pytest.mark.parametrize("steps", [2, 4, 20])
@pytest.mark.parametrize("cls", BOTH_WAYS)
def test_the_last_level_may_be_said(cls: str, steps: int) -> None:
    assert error(cls, {"shift_terminal": 0.1}, num_inference_steps=steps) <= 1e-5
    ours = getattr(engine.schedulers, cls)(**FLOW[cls], shift_terminal=0.1)
    ours.set_timesteps(steps)
    assert ours.sigmas[-2].item() == pytest.approx(0.1, abs=1e-6)
    ours.set_timesteps(1)  # that is the first one too: theirs divides by 0
    assert ours.sigmas.tolist() == pytest.approx([1, 0], abs=1e-5)


@pytest.mark.parametrize("cls", BOTH_WAYS)
def test_given_levels_come_before_the_shift_and_without_the_end(cls: str) -> None:
    levels = np.array([1.0, 0.8, 0.55, 0.2])
    shift = "flow_shift" if FLOW[cls] else "shift"
    assert error(cls, {shift: 3.0}, sigmas=levels) <= 1e-5


@pytest.mark.parametrize("cls", FLOW)
def test_a_shift_by_size_needs_the_size(cls: str) -> None:
    ours = getattr(engine.schedulers, cls)(**FLOW[cls], use_dynamic_shifting=True)
    with pytest.raises(EngineError, match="give set_timesteps a mu"):
        ours.set_timesteps(4)


def test_flow_makes_its_own_timesteps() -> None:
    ours = engine.schedulers.UniPCMultistepScheduler(use_flow_sigmas=True)
    with pytest.raises(EngineError, match="use_flow_sigmas makes its own"):
        ours.set_timesteps(timesteps=[900, 300])
    with pytest.raises(EngineError, match="prediction_type is 'v_prediction'; choose"):
        engine.schedulers.UniPCMultistepScheduler(
            use_flow_sigmas=True, prediction_type="v_prediction"
        )


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver"}, "choose final_sigmas_type="),
    ("DPMSolverMultistepScheduler", {"solver_order": 4}, "solver_order is 4; choose one of: 1, 2"),
    ("DPMSolverSinglestepScheduler", {"algorithm_type": "sde-dpmsolver"}, "choose one of: dpms"),
    ("DEISMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, "choose one of: deis"),
    ("UniPCMultistepScheduler", {"solver_p": "x"}, "solver_p is 'x'; choose one of: None"),
    ("UniPCMultistepScheduler", {"shift_terminal": 0.1}, "needs use_flow_sigmas"),
    ("UniPCMultistepScheduler", {"thresholding": True, "predict_x0": False}, "needs predict_x0"),
    ("SASolverScheduler", {"algorithm_type": "dpmsolver++"}, "choose one of: data_prediction"),
    ("FlowMatchEulerDiscreteScheduler", {"time_shift_type": "cubic"}, "time_shift_type is 'cubic'"),
]


@pytest.mark.parametrize(("cls", "config", "message"), BAD)
def test_bad_settings(cls: str, config: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        getattr(engine.schedulers, cls)(**config)


@pytest.mark.parametrize("levels", [[0.9, 0.5, 0.2], [0.7]])
@pytest.mark.parametrize("cls", [*FLOW, "SASolverScheduler", "FlowMatchHeunDiscreteScheduler"])
def test_custom_levels_mean_the_same_in_every_class(cls: str, levels: list[float]) -> None:
    kind = getattr(engine.schedulers, cls)
    flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    scheduler = kind(**{key: value for key, value in flow.items() if key in kind.keys})
    scheduler.set_timesteps(sigmas=levels)
    assert scheduler.num_inference_steps == len(levels)
    starts = [p.sigma * p.scale for p in scheduler.points if p.stage == 0]
    assert starts == pytest.approx(levels)
