import subprocess
import sys
from typing import Any

import pytest

import engine.schedulers
from engine.checkpoints.components import CLASSES
from engine.errors import EngineError
from engine.schedulers import SCHEDULERS, scheduler_named
from engine.schedulers.registry import FAMILIES as KINDS
from engine.schedulers.registry import SCHEDULER_CLASSES, misplaced, split_name, unfit
from engine.schedulers.schedule_types import SCHEDULE_TYPES
from tests.samplers import SAMPLERS

FAMILIES: dict[str, dict[str, Any]] = {
    "diffusion": {"_class_name": "PNDMScheduler", "prediction_type": "epsilon"},
    "flow": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
    "EDM": {"_class_name": "EDMEulerScheduler"},
    "consistency": {"_class_name": "CMStochasticIterativeScheduler"},
    "continuous-time": {"_class_name": "IPNDMScheduler"},
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_by_name(name: str) -> None:
    config = engine.schedulers.DDIMScheduler(beta_end=0.012).config
    cls, overrides = SCHEDULERS[name]
    for spelling in (name, name.lower(), f" {name.upper()} "):
        scheduler = scheduler_named(spelling, config)
        assert type(scheduler).__name__ == cls
        assert scheduler.config.beta_end == 0.012
        assert scheduler.config.items() >= overrides.items()


@pytest.mark.parametrize("cls", SCHEDULER_CLASSES)
def test_a_class_is_a_name_too_and_adds_no_settings(cls: str) -> None:
    assert split_name(cls.lower()) == (cls, "")
    if not unfit(cls, {}):
        made = scheduler_named(cls, {"beta_end": 0.012})
        assert type(made) is getattr(engine.schedulers, cls)
        assert made.config.given == {"beta_end"}


@pytest.mark.parametrize("cls", SCHEDULER_CLASSES)
def test_every_checkpoint_takes_every_sampler_that_fits(cls: str) -> None:
    written = getattr(engine.schedulers, cls)().config.to_dict() | {"_class_name": cls}
    for name in SCHEDULERS:
        if not unfit(name, written):
            made = scheduler_named(name, written)
            made.set_timesteps(5)
            assert made.config.items() >= SCHEDULERS[name][1].items()


def test_every_class_is_a_name_of_the_library() -> None:
    assert set(SCHEDULER_CLASSES) <= set(engine.__all__)
    for name in SCHEDULER_CLASSES:
        assert getattr(engine, name) is getattr(engine.schedulers, name)


def test_a_checkpoint_may_name_every_class() -> None:
    assert set(SCHEDULER_CLASSES) < CLASSES.keys()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("DPM++ 2M Karras", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M SDE Exponential", ("DPM++ 2M SDE", "Exponential")),
        ("DPM++ 2M SDE Heun Karras", ("DPM++ 2M SDE Heun", "Karras")),
        ("DPM++ 3M SDE", ("DPM++ 3M SDE", "")),
        ("dpm++ sde  karras", ("DPM++ SDE", "Karras")),
        ("DPM2 a Karras", ("DPM2 a", "Karras")),
        ("Euler a", ("Euler a", "")),
        ("Euler SGM Uniform", ("Euler", "SGM Uniform")),
        ("Euler Uniform", ("Euler", "Uniform")),
        ("LMS Karras", ("LMS", "Karras")),
        ("PLMS", ("PNDM", "")),
        ("DDIM", ("DDIM", "")),
        ("Euler DDIM", ("Euler", "DDIM")),
        ("UniPC Automatic", ("UniPC", "")),
        ("DPM++ 2M Align Your Steps", ("DPM++ 2M", "AYS")),
        ("Euler Ancestral", ("Euler a", "")),
        ("euler_ancestral", ("Euler a", "")),
        ("k_euler", ("Euler", "")),
        ("k_euler_a", ("Euler a", "")),
        ("k_dpm_2_a", ("DPM2 a", "")),
        ("dpm_2_ancestral", ("DPM2 a", "")),
        ("sample_dpm_2", ("DPM2", "")),
        ("k_lms", ("LMS", "")),
        ("heun", ("Heun", "")),
        ("dpmpp_sde", ("DPM++ SDE", "")),
        ("dpmpp_2m", ("DPM++ 2M", "")),
        ("k_dpmpp_2m", ("DPM++ 2M", "")),
        ("dpmpp_2m_sde", ("DPM++ 2M SDE", "")),
        ("dpmpp_2m_sde_heun", ("DPM++ 2M SDE Heun", "")),
        ("dpmpp_3m_sde", ("DPM++ 3M SDE", "")),
        ("dpmpp_2m karras", ("DPM++ 2M", "Karras")),
        ("euler sgm_uniform", ("Euler", "SGM Uniform")),
        ("euler ddim_uniform", ("Euler", "DDIM")),
        ("uni_pc_bh2", ("UniPC", "")),
        ("uni_pc", ("UniPC", "")),
        ("sa_solver", ("SA-Solver", "")),
        ("ipndm", ("iPNDM", "")),
    ],
)
def test_combined_names(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


def test_the_name_and_the_schedule_type_make_one_scheduler() -> None:
    combined = scheduler_named("Euler Karras", {})
    assert combined.config.use_karras_sigmas
    assert combined.config == scheduler_named("Euler", {}, "karras").config
    # the model's own shape gives way to the one that is asked for
    own = {"use_karras_sigmas": True, "schedule_type": "Simple"}
    assert scheduler_named("Euler", own, "Beta").config.items() >= {
        ("use_karras_sigmas", False),
        ("use_beta_sigmas", True),
        ("schedule_type", ""),
    }


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("Eulr", "Euler"), ("ddmi", "DDIM"), ("plm", "PNDM"), ("DPM++ 2M Caras", "DPM++ 2M")],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(EngineError, match="There is no scheduler") as caught:
        scheduler_named(name, {})
    assert repr(name) in str(caught.value)
    assert nearest in str(caught.value).partition("Nearest: ")[2].partition(".")[0].split(", ")


def test_an_unknown_schedule_type_is_answered_with_the_nearest() -> None:
    with pytest.raises(EngineError, match=r"no schedule type 'caras'\. Nearest: Karras"):
        scheduler_named("Euler", {}, "caras")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_what_does_not_fit_is_refused_with_the_reason(name: str, family: str) -> None:
    config = FAMILIES[family]
    kinds = {"EDM": "EDM", "Consistency": "consistency", "Flow": "flow", "iPNDM": "continuous-time"}
    own = kinds.get(name.split()[0], "diffusion")
    either = name.startswith(("DPM++ 2", "DPM++ 3", "DPM solver", "UniPC"))
    fits = name != "DDIM inverse" and (own == family or (family == "flow" and either))
    reason = unfit(f"{name} Karras", config)
    assert bool(reason) != fits
    if fits:
        scheduler_named(name, config).set_timesteps(5)
    else:
        assert reason.startswith(name)
        assert name == "DDIM inverse" or (own in reason and family in reason)
        with pytest.raises(EngineError) as caught:
            scheduler_named(name, config)
        assert str(caught.value) == reason


@pytest.mark.parametrize("cls", SCHEDULER_CLASSES)
def test_what_another_family_left_in_the_settings_tells(cls: str) -> None:
    """As after `X.from_config(pipeline.scheduler.config)`; iPNDM's own settings tell nothing."""
    family = {name: KINDS.get(name, "diffusion") for name in SCHEDULER_CLASSES}
    for source in SCHEDULER_CLASSES:
        written = getattr(engine.schedulers, source)().config.to_dict()
        for key in ("algorithm_type", "sigma_min", "sigma_max"):  # theirs mean nothing to others
            written.pop(key, None)
        made = getattr(engine.schedulers, cls).from_config(written)
        reason = misplaced(made)
        if "inverse" in (family[cls], family[source]):
            assert bool(reason) == (family[cls] != "diffusion"), source
        elif source != "IPNDMScheduler":
            assert bool(reason) == (family[cls] != family[source]), source
            assert not reason or reason.startswith(f"{cls} is for {family[cls]} models"), reason
        assert bool(misplaced(getattr(engine.schedulers, cls)())) == (family[cls] == "inverse")


@pytest.mark.parametrize("cls", SCHEDULER_CLASSES)
def test_a_flow_model_has_its_place_in_every_class_that_does_flow(cls: str) -> None:
    flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
    kind = getattr(engine.schedulers, cls)
    made = kind.from_config({"shift": 3.0} | (flow if "use_flow_sigmas" in kind.keys else {}))
    assert bool(misplaced(made)) == (made.scaling != "flow")
    if not cls.startswith(("DD", "DPMSolverM", "DPMSolverSing", "SA")):
        learned = kind.from_config({"variance_type": "learned"})
        assert "takes no predicted variance" in misplaced(learned)


@pytest.mark.parametrize("name", ["UniPC", "DPM++ 2M"])
def test_a_flow_model_is_a_flow_model_in_every_class(name: str) -> None:
    flow = scheduler_named("Flow Euler", FAMILIES["flow"])
    made = scheduler_named(name, flow.config)
    assert (made.scaling, made.prediction_type, made.config.flow_shift) == (
        *("flow", "flow_prediction"),
        3.0,
    )
    assert scheduler_named("Flow Heun", made.config).config.shift == 3.0
    assert "flow model" in unfit("Euler", made.config)


def test_a_predicted_variance_is_for_those_that_read_it() -> None:
    config = {"variance_type": "learned_range"}
    assert unfit("Euler", config).startswith("Euler takes no predicted variance")
    assert unfit("DDPM", config) == unfit("DPM++ 2M", config) == ""


def test_the_registry_needs_no_torch() -> None:
    code = "import sys, engine.schedulers.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_name_means_two_things() -> None:
    combined = {f"{name} {kind}".lower() for name in SCHEDULERS for kind in SCHEDULE_TYPES}
    assert not combined & {name.lower() for name in SCHEDULERS}
