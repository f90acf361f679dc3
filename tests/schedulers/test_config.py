"""Settings: between classes, and files that diffusers and we read from each other."""

import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import engine.schedulers
from engine.errors import CheckpointError, EngineError
from tests.schedulers.cases import CLASSES, GIVEN
from tests.schedulers.oracle import (
    QUIET,
    STABLE_DIFFUSION,
    difference,
    fitting,
    pair,
    quickly,
    trajectory,
)

pytestmark = QUIET


def own(scheduler: Any) -> dict[str, Any]:
    """The settings that the class itself has."""
    values = scheduler.config.to_dict()
    return {key: values[key] for key in type(scheduler).keys}


def of(oracle: Any, keys: Any) -> dict[str, Any]:
    return {key: oracle.config[key] for key in keys}


@pytest.mark.parametrize("cls", CLASSES)
def test_defaults(cls: str) -> None:
    ours, theirs = pair(cls)
    assert own(ours) == {key: value for key, value in theirs.config.items() if key[0] != "_"}
    assert list(map(repr, ours.config.given)) == []


@pytest.mark.parametrize("source", CLASSES)
def test_from_config_of_another_class(source: str) -> None:
    ours, theirs = pair(source, **fitting(source, STABLE_DIFFUSION), **GIVEN.get(source, {}))
    for target in CLASSES:
        with quickly(*CLASSES):
            theirs_2 = getattr(diffusers, target).from_config(theirs.config)
            theirs_back = getattr(diffusers, source).from_config(theirs_2.config)
        ours_2 = getattr(engine.schedulers, target).from_config(ours.config)
        assert own(ours_2) == of(theirs_2, type(ours_2).keys), target
        back = getattr(engine.schedulers, source).from_config(ours_2.config)
        assert own(back) == of(theirs_back, type(back).keys) == own(ours), target


def test_settings_of_another_class_have_no_effect() -> None:
    """PNDM has no zero terminal SNR: the key is kept for the way back and not obeyed."""
    ddim = engine.schedulers.DDIMScheduler(rescale_betas_zero_snr=True)
    pndm = engine.schedulers.PNDMScheduler.from_config(ddim.config)
    assert pndm.config.rescale_betas_zero_snr
    assert torch.equal(pndm.betas, engine.schedulers.PNDMScheduler().betas)


@pytest.mark.parametrize("cls", CLASSES)
def test_saved_here_loads_there_and_back(cls: str, tmp_path: Path) -> None:
    ours, theirs = pair(cls, **fitting(cls, STABLE_DIFFUSION), **GIVEN.get(cls, {}))
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    files = [
        json.loads((tmp_path / name / "scheduler_config.json").read_text())
        for name in ("ours", "theirs")
    ]
    assert files[0] == files[1]
    there = getattr(diffusers, cls).from_pretrained(tmp_path / "ours")
    here = getattr(engine.schedulers, cls).from_pretrained(tmp_path, subfolder="theirs")
    for scheduler in (there, here):
        scheduler.set_timesteps(6)
    assert difference(trajectory(here), trajectory(there)) <= 1e-5


def test_a_flat_folder_is_read_from_its_root(tmp_path: Path) -> None:
    engine.schedulers.DDIMScheduler(beta_end=0.01).save_pretrained(tmp_path)
    loaded = engine.schedulers.DDIMScheduler.from_pretrained(tmp_path, subfolder="scheduler")
    assert loaded.config.beta_end == 0.01


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"scheduler_config\.json is missing"):
        engine.schedulers.DDIMScheduler.from_pretrained(tmp_path)


def test_trained_betas() -> None:
    betas = torch.linspace(0.001, 0.02, 100).tolist()
    ours, theirs = pair("DDIMScheduler", trained_betas=betas, num_train_timesteps=100)
    assert torch.equal(ours.alphas_cumprod, theirs.alphas_cumprod)


@pytest.mark.parametrize("cls", CLASSES)
def test_an_override_that_means_nothing_is_refused(cls: str, tmp_path: Path) -> None:
    kind = getattr(engine.schedulers, cls)
    scheduler = kind()
    scheduler.save_pretrained(tmp_path)
    nearest = r"no setting of \w+ 'num_train_timestep'. Nearest: num_train_timesteps"
    for make in (
        lambda **wrong: kind.from_config(scheduler.config, **wrong),
        lambda **wrong: kind.from_pretrained(tmp_path, **wrong),
        kind,
    ):
        with pytest.raises(EngineError, match=nearest):
            make(num_train_timestep=10)
        with pytest.raises(EngineError, match="return_unused_kwargs"):
            make(return_unused_kwargs=True)
        assert make(schedule_type="Simple").config.schedule_type == "Simple"
    kept = kind.from_config({"num_train_timestep": 10})  # a file may have keys of the future
    assert kept.config.num_train_timestep == 10
    assert kind.from_config(kept.config, num_train_timesteps=20).config.num_train_timestep == 10


@pytest.mark.parametrize("config", ["scheduler", None, [("beta_end", 0.02)]])
def test_settings_are_no_folder(config: Any) -> None:
    with pytest.raises(EngineError, match="read a folder or a repository with from_pretrained"):
        engine.schedulers.DDIMScheduler.from_config(config)


BAD_NUMBERS: list[tuple[str, dict[str, Any], str]] = [
    (
        "UniPCMultistepScheduler",
        {"solver_order": 0},
        "solver_order is 0; choose 1 or more, a whole",
    ),
    ("UniPCMultistepScheduler", {"solver_order": "x"}, "solver_order is 'x'; choose 1 or more"),
    ("EDMEulerScheduler", {"sigma_min": 80.0, "sigma_max": 1.0}, "from 1 down to 80: choose sigma"),
    ("CMStochasticIterativeScheduler", {"sigma_max": 1e-3}, "from 0.001 down to 0.002"),
    ("EDMEulerScheduler", {"sigma_min": None}, "sigma_min is None; choose 1e-09 to"),
    ("EDMEulerScheduler", {"sigma_min": 0}, "sigma_min is 0; choose 1e-09 to"),
    ("EulerDiscreteScheduler", {"sigma_min": 0.0}, r"sigma_min is 0\.0; choose 1e-09 to"),
    ("EulerDiscreteScheduler", {"sigma_max": float("nan")}, "sigma_max is nan; choose"),
    ("FlowMatchEulerDiscreteScheduler", {"shift": -1.0}, r"shift is -1\.0; choose 1e-09 to"),
    ("DDIMScheduler", {"num_train_timesteps": 0}, "num_train_timesteps is 0; choose 1 or more"),
    (
        "IPNDMScheduler",
        {"num_train_timesteps": 10.5},
        r"is 10\.5; choose 1 or more, a whole number",
    ),
    ("DDIMScheduler", {"beta_end": "0.02"}, "beta_end is '0.02'; choose 1e-09 to 0.9999"),
    ("DDIMScheduler", {"steps_offset": -1}, "steps_offset is -1; choose 0 or more"),
    ("DDIMScheduler", {"clip_sample": "no"}, "clip_sample is .*no.*; choose one of: True, False"),
    (
        "LCMScheduler",
        {"original_inference_steps": 2.5},
        "original_inference_steps is 2.5; choose 1",
    ),
]


@pytest.mark.parametrize(("cls", "config", "message"), BAD_NUMBERS)
def test_bad_numbers(cls: str, config: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        getattr(engine.schedulers, cls)(**config)


@pytest.mark.parametrize("ends", [{"sigma_min": 20.0, "sigma_max": 1.0}, {"sigma_min": 20.0}])
@pytest.mark.parametrize("cls", ["EulerDiscreteScheduler", "UniPCMultistepScheduler"])
def test_levels_do_not_ascend(cls: str, ends: dict[str, float]) -> None:
    scheduler = getattr(engine.schedulers, cls)(use_karras_sigmas=True, beta_end=0.01, **ends)
    with pytest.raises(EngineError, match="down to 20: choose sigma_min less"):
        scheduler.set_timesteps(5) if "sigma_max" in ends else scheduler.set_timesteps(1)


@pytest.mark.parametrize(
    "as_given", [np.array, torch.tensor, tuple], ids=["numpy", "torch", "tuple"]
)
@pytest.mark.parametrize("cls", ["DDIMScheduler", "IPNDMScheduler"])
def test_betas_of_any_kind_are_kept_as_numbers(cls: str, as_given: Any, tmp_path: Path) -> None:
    betas = [0.5, 0.25, 0.125, 0.0625]
    ours = getattr(engine.schedulers, cls)(trained_betas=as_given(betas), num_train_timesteps=4)
    assert ours.config.trained_betas == tuple(betas)
    assert repr(ours) and repr(ours.config)
    ours.save_pretrained(tmp_path)
    again = type(ours).from_pretrained(tmp_path)
    assert again.config.to_dict().items() >= ours.config.to_dict().items()
    assert type(ours).from_config({"steps_offset": np.int64(2)}).config.steps_offset == 2


def test_a_function_is_shown_but_not_saved(tmp_path: Path) -> None:
    ours = engine.schedulers.SASolverScheduler(tau_func=lambda t: 0.5)
    assert "function" in repr(ours) and "function" in repr(ours.config)
    with pytest.raises(EngineError, match=r"tau_func is .* JSON cannot say: save without it"):
        ours.save_pretrained(tmp_path)
    plain = type(ours).from_config(ours.config, tau_func=None)
    plain.save_pretrained(tmp_path)
    assert type(ours).from_pretrained(tmp_path).config.tau_func is None


BAD: list[tuple[dict[str, Any], str]] = [
    ({"prediction_type": "noise"}, "prediction_type is 'noise'; choose one of: epsilon, sample, v"),
    ({"timestep_spacing": "even"}, "timestep_spacing is 'even'; choose one of: leading, linspace"),
    ({"beta_schedule": "quad"}, "beta_schedule is 'quad'; choose one of: linear, scaled_linear"),
    ({"beta_schedule": "laplace"}, "beta_schedule is 'laplace'; choose one of: linear, scaled"),
    ({"final_sigmas_type": "one"}, "final_sigmas_type is 'one'"),
    ({"interpolation_type": "cubic"}, "interpolation_type is 'cubic'"),
    ({"timestep_type": "real"}, "timestep_type is 'real'"),
    ({"use_karras_sigmas": True, "use_beta_sigmas": True}, "both on"),
]


@pytest.mark.parametrize(("config", "message"), BAD)
def test_bad_settings(config: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        engine.schedulers.EulerDiscreteScheduler(**config)
