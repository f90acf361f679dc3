import subprocess
import sys
from typing import Any

import diffusers
import numpy as np
import pytest

import engine.schedulers
from engine.errors import EngineError
from engine.schedulers import SCHEDULERS, scheduler_named, tables
from engine.schedulers.registry import unfit, unfit_type
from engine.schedulers.schedule_types import (
    AUTOMATIC,
    SCHEDULE_TYPES,
    settings_of_type,
    sigmas_of_type,
    type_named,
)
from tests.samplers import SAMPLERS
from tests.schedulers.oracle import STABLE_DIFFUSION
from tests.schedulers.test_registry import FAMILIES

TYPES = [name for name in SCHEDULE_TYPES if name != AUTOMATIC]
TABLE = engine.schedulers.DDIMScheduler(**STABLE_DIFFUSION).table


def at(timestep: float) -> float:
    """The level between two timesteps of the table, on the line of the logarithms."""
    low = int(timestep)
    share = timestep - low
    return float(TABLE[low] ** (1 - share) * TABLE[min(low + 1, 999)] ** share)


def published(steps: int) -> list[list[float]]:
    """By the definitions of AUTOMATIC1111 and ComfyUI, one level after the other."""
    normal = [at(999 - 999 * i / max(1, steps - 1)) for i in range(steps)]
    sgm = [at(999 - 999 * i / steps) for i in range(steps)]
    simple = [float(TABLE[-(1 + int(i * (1000 / steps)))]) for i in range(steps)]
    ddim = [float(TABLE[1 + i * (1000 // steps)]) for i in reversed(range(steps))]
    return [normal, sgm, simple, ddim]


@pytest.mark.parametrize("steps", [1, 2, 10, 30, 500])
def test_levels_by_their_definitions(steps: int) -> None:
    for name, expected in zip(
        ("Normal", "SGM Uniform", "Simple", "DDIM"), published(steps), strict=True
    ):
        found = sigmas_of_type(name, TABLE, steps)
        assert np.abs(np.log(found / expected)).max() <= 1e-9, name


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("steps", [1, 2, 20, 999, 1000])
def test_levels_descend_within_the_table(name: str, steps: int) -> None:
    sigmas = sigmas_of_type(name, TABLE, steps)
    assert sigmas.shape == (steps,)
    assert (np.diff(sigmas) < 0).all()
    assert TABLE[0] * 0.999 <= sigmas[-1] and sigmas[0] <= TABLE[-1] * 1.001
    assert name == "DDIM" or sigmas[0] >= TABLE[-1] * 0.999


def test_aligned_steps_are_those_of_the_paper() -> None:
    """The timesteps that its authors give for ten steps of Stable Diffusion 1.5."""
    scheduler = scheduler_named("DPM++ 2M AYS", STABLE_DIFFUSION)
    scheduler.set_timesteps(10)
    expected = [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]
    assert scheduler.timesteps.round().int().tolist() == expected
    large = sigmas_of_type("AYS SDXL", TABLE, 10)
    assert large.round(2).tolist() == [14.61, 6.32, 3.77, 2.18, 1.34, 0.86, 0.56, 0.38, 0.23, 0.11]


def test_aligned_steps_for_other_numbers_lie_between() -> None:
    ten, twenty = (np.log(sigmas_of_type("AYS", TABLE, steps)) for steps in (10, 20))
    assert np.abs(twenty[::2] - ten).max() <= 1e-6
    assert np.abs(twenty[1:-1:2] - (ten[:-1] + ten[1:]) / 2).max() <= 1e-6


def test_aligned_steps_do_not_suit_every_model() -> None:
    config = {"trained_betas": [0.1] * 10}
    scheduler = engine.schedulers.EulerDiscreteScheduler(**config, schedule_type="AYS")
    for make in (lambda: scheduler_named("Euler AYS", config), lambda: scheduler.set_timesteps(5)):
        with pytest.raises(EngineError, match=r"this model's go from 0\.333 to 1\.37"):
            make()


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("schedule", tables.BETAS)
def test_the_ends_of_a_table_are_known_without_it(schedule: str, zero_snr: bool) -> None:
    config: dict[str, Any] = {"beta_schedule": schedule, "rescale_betas_zero_snr": zero_snr}
    config |= {"beta_start": 0.0008, "num_train_timesteps": 600}
    table = engine.schedulers.DDIMScheduler(**config).table
    low, high = tables.ends_of(config)
    assert low == pytest.approx(table[0], rel=1e-3)
    assert high == (np.inf if zero_snr else pytest.approx(table[-1], rel=5e-3))


@pytest.mark.parametrize(
    "config",
    [{"beta_schedule": 3}, {"num_train_timesteps": "x"}, {"trained_betas": {}}, {"beta_end": []}],
)
def test_a_damaged_file_has_no_known_ends(config: dict[str, Any]) -> None:
    assert tables.ends_of(config) == (0.0, np.inf)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", TYPES)
def test_a_type_fits_where_it_has_an_effect(kind: str, family: str) -> None:
    """What does not is refused by name; by its settings it fails or is the automatic one."""
    config = FAMILIES[family] | (STABLE_DIFFUSION if family == "diffusion" else {})
    for name in (name for name in SCHEDULERS if not unfit(name, config)):
        reason = unfit_type(kind, name, config)
        automatic = scheduler_named(name, config)
        automatic.set_timesteps(6)
        if not reason:
            scheduler_named(name, config, kind).set_timesteps(6)
            continue
        with pytest.raises(EngineError, match=f"{kind} is not for .*choose Automatic"):
            scheduler_named(name, config, kind)
        settings = settings_of_type(kind, automatic.keys, automatic.config)
        made = type(automatic).from_config(automatic.config, **settings)
        try:
            made.set_timesteps(6)
        except EngineError:
            continue
        assert made.sigmas.tolist() == automatic.sigmas.tolist()


@pytest.mark.parametrize("name", ["EDM Euler", "EDM DPM++ 2M"])
def test_types_of_edm_are_its_own_setting(name: str) -> None:
    config = FAMILIES["EDM"]
    made = scheduler_named(f"{name} Exponential", config)
    assert made.config.sigma_schedule == "exponential"
    made = scheduler_named(name, made.config, "Karras")
    assert made.config.sigma_schedule == "karras" and "schedule_type" not in made.config


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_has_every_type(name: str, kind: str) -> None:
    scheduler = scheduler_named(name, STABLE_DIFFUSION, kind)
    scheduler.set_timesteps(8)
    levels = np.array([*(p.sigma for p in scheduler.points), scheduler.points[-1].next_sigma])
    assert np.isfinite(levels).all()
    assert (np.diff([p.sigma for p in scheduler.points if p.stage == 0]) <= 0).all()
    if scheduler.config.get("schedule_type"):
        starts = {round(p.sigma, 3) for p in scheduler.points}
        expected = sigmas_of_type(kind, scheduler.table, 8)
        assert all(min(abs(s - e) for s in starts) <= 2e-2 * e + 1e-3 for e in expected)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("cls", ["EulerDiscreteScheduler", "DDIMScheduler"])
def test_what_is_saved_means_the_same_elsewhere(cls: str, kind: str) -> None:
    keys = getattr(engine.schedulers, cls).keys
    settings = settings_of_type(kind, keys, {})
    if settings.get("schedule_type"):
        assert settings["schedule_type"] == kind
        return
    ours = scheduler_named(cls, STABLE_DIFFUSION, kind)
    theirs = getattr(diffusers, cls).from_config(ours.config.to_dict())
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(10)
    assert (ours.timesteps - theirs.timesteps).abs().max() <= 1e-2


@pytest.mark.parametrize("name", ["", "Automatic", " automatic "])
def test_automatic_is_what_the_settings_say(name: str) -> None:
    assert type_named(name) == ""
    config = STABLE_DIFFUSION | {"use_karras_sigmas": True}
    assert scheduler_named("Euler", config, name).config == scheduler_named("Euler", config).config


def test_names_in_any_case() -> None:
    assert {type_named(name.upper()) for name in TYPES} == set(TYPES)
    assert type_named("align your steps") == "AYS"


def test_the_types_need_no_torch() -> None:
    code = "import sys, engine.schedulers.schedule_types; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "cls", ["IPNDMScheduler", "EDMEulerScheduler", "FlowMatchEulerDiscreteScheduler"]
)
def test_levels_without_betas_have_no_such_types(cls: str) -> None:
    scheduler = getattr(engine.schedulers, cls).from_config({"schedule_type": "Normal"})
    with pytest.raises(EngineError, match="Normal is for models with a table of betas"):
        scheduler.set_timesteps(5)
