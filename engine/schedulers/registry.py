"""The schedulers by the names that people choose from. Needs no torch until one is made."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError, unknown_name
from engine.schedulers import schedule_types as types
from engine.schedulers.tables import ends_of

if TYPE_CHECKING:
    from engine.schedulers.base import Scheduler

__all__ = [
    *("SCHEDULERS", "SCHEDULER_CLASSES", "misplaced", "scheduler_named", "split_name"),
    *("unfit", "unfit_type"),
]

MULTISTEP = "DPMSolverMultistepScheduler"
SINGLESTEP = "DPMSolverSinglestepScheduler"
DATA = {"algorithm_type": "dpmsolver++"}
NOISE = {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}
SECOND: dict[str, Any] = {"solver_order": 2, "solver_type": "midpoint"}
SDE = {"algorithm_type": "sde-dpmsolver++"}

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "DDIM": ("DDIMScheduler", {}),
    "DDPM": ("DDPMScheduler", {}),
    "Euler": ("EulerDiscreteScheduler", {}),
    "Euler a": ("EulerAncestralDiscreteScheduler", {}),
    "Heun": ("HeunDiscreteScheduler", {}),
    "LMS": ("LMSDiscreteScheduler", {}),
    "PNDM": ("PNDMScheduler", {"skip_prk_steps": True}),
    "DPM2": ("KDPM2DiscreteScheduler", {}),
    "DPM2 a": ("KDPM2AncestralDiscreteScheduler", {}),
    "DPM++ 2M": (MULTISTEP, {**DATA, **SECOND}),
    "DPM++ 2M SDE": (MULTISTEP, {**SDE, **SECOND}),
    "DPM++ 2M SDE Heun": (MULTISTEP, {**SDE, "solver_order": 2, "solver_type": "heun"}),
    "DPM++ 3M": (MULTISTEP, {**DATA, "solver_order": 3}),
    "DPM++ 3M SDE": (MULTISTEP, {**SDE, "solver_order": 3}),
    "DPM++ 2S": (SINGLESTEP, {**DATA, **SECOND}),
    "DPM++ SDE": ("DPMSolverSDEScheduler", {"noise_sampler_seed": None}),
    "DPM solver": (MULTISTEP, {**NOISE, "solver_order": 2}),
    "DEIS": ("DEISMultistepScheduler", {"algorithm_type": "deis", "solver_type": "logrho"}),
    "UniPC": ("UniPCMultistepScheduler", {"solver_type": "bh2"}),
    "SA-Solver": ("SASolverScheduler", {"algorithm_type": "data_prediction"}),
    "iPNDM": ("IPNDMScheduler", {}),
    "LCM": ("LCMScheduler", {}),
    "TCD": ("TCDScheduler", {}),
    "EDM Euler": ("EDMEulerScheduler", {}),
    "EDM DPM++ 2M": ("EDMDPMSolverMultistepScheduler", {**DATA, **SECOND}),
    "Consistency": ("CMStochasticIterativeScheduler", {}),
    "Flow Euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "Flow Heun": ("FlowMatchHeunDiscreteScheduler", {}),
    "DDIM inverse": ("DDIMInverseScheduler", {}),
}
"""Name -> (class, settings that it adds to the checkpoint's)."""

SCHEDULER_CLASSES = tuple(dict.fromkeys(cls for cls, _ in SCHEDULERS.values()))

OTHER_NAMES = {
    **{"plms": "PNDM", "uni pc": "UniPC", "uni pc bh2": "UniPC", "sa solver": "SA-Solver"},
    **{"euler ancestral": "Euler a", "dpm 2": "DPM2", "kdpm 2": "DPM2", "dpm 2 a": "DPM2 a"},
    **dict.fromkeys(("dpm 2 ancestral", "dpm2 ancestral", "kdpm 2 a"), "DPM2 a"),
}
"""Other spellings, as `types.plain` has them, of k-diffusion, ComfyUI and others."""

FAMILIES: dict[str, str] = {
    "EDMEulerScheduler": "EDM",
    "EDMDPMSolverMultistepScheduler": "EDM",
    "CMStochasticIterativeScheduler": "consistency",
    "FlowMatchEulerDiscreteScheduler": "flow",
    "FlowMatchHeunDiscreteScheduler": "flow",
    "IPNDMScheduler": "continuous-time",  # their timesteps go from 0 to 1
    "DDIMInverseScheduler": "inverse",
}
"""Class -> what the models that it is for were trained on; "diffusion" for all others."""

MARKS = {
    **{"sigma_schedule": "EDM", "clip_denoised": "consistency", "shift": "flow"},
    **{"beta_schedule": "diffusion", "prediction_type": "diffusion"},
}
"""Configuration key -> the family that it tells of; the first of them counts."""

TYPES: dict[str, tuple[str, ...]] = {
    "FlowMatchHeunDiscreteScheduler": (),
    "flow": ("Karras", "Exponential", "Beta"),
    "EDM": ("Karras", "Exponential"),
    **{"consistency": (), "continuous-time": ()},
}
"""Class or family -> its schedule types beside the automatic one, where those are not all."""

FLOW_ABLE = (MULTISTEP, SINGLESTEP, "UniPCMultistepScheduler")
"""Classes of diffusion that do flow as well, with `use_flow_sigmas`, and take it to its end."""

VARIANCE_ABLE = ("DDPMScheduler", MULTISTEP, SINGLESTEP, "SASolverScheduler")
"""Classes for models that predict the variance too."""


def split_name(name: str) -> tuple[str, str]:
    """The sampler and the schedule type ("" where none is named) that a name stands for.

    name: a key of `SCHEDULERS` or a class's name, in any case, with a schedule type after it or
    not: "DPM++ 2M Karras". A class's name stands for the class with no settings added.
    Raises `EngineError` for an unknown name, with the nearest ones.
    """
    known = {key.lower(): key for key in (*SCHEDULERS, *SCHEDULER_CLASSES)} | OTHER_NAMES
    kinds = {key.lower() for key in types.SCHEDULE_TYPES} | types.ALIASES.keys()
    asked = types.plain(name)
    if asked in known:
        return known[asked], ""
    for kind in sorted(kinds, key=len, reverse=True):  # "sgm uniform" ends in "uniform"
        first = asked.removesuffix(f" {kind}")
        if first != asked and first in known:
            return known[first], types.type_named(kind)
    raise unknown_name("scheduler", name, known, SCHEDULERS)


def unfit(name: str, config: Mapping[str, Any]) -> str:
    """Why a sampler does not fit a model with these scheduler settings, in a sentence; "" if it
    does.

    name: as in `split_name`, which may raise. config: as in the checkpoint's file, or of a
    scheduler made of it.
    """
    sampler, _ = split_name(name)
    cls = _class(sampler)
    theirs = _family(config)
    able = theirs == "flow" and cls in FLOW_ABLE
    ours = theirs if able else FAMILIES.get(cls, "diffusion")
    return _reason(sampler, ours, theirs, {} if cls in VARIANCE_ABLE else config)


def unfit_type(name: str, sampler: str, config: Mapping[str, Any]) -> str:
    """As `unfit`, of a schedule type with a sampler that fits, "" being the model's own.

    name: as in `type_named`, which may raise.
    """
    kind, family = types.type_named(name), _family(config)
    cls = _class(split_name(sampler)[0]) if sampler else str(config.get("_class_name"))
    able = TYPES.get(cls, TYPES.get(family))
    if not kind or able is None:
        return types.unspanned(kind, *ends_of(config))
    choose = " or ".join((types.AUTOMATIC, *able))
    what = f"{sampler or cls} with {family} models"
    return "" if kind in able else f"{kind} is not for {what}: choose {choose}."


def misplaced(scheduler: "Scheduler") -> str:
    """As `unfit`, of a scheduler that is there already: by the settings that another one left.

    They are those that were given and are not its own, as after `from_config`.
    """
    cls = type(scheduler).__name__
    left = {key: scheduler.config[key] for key in scheduler.config.given - scheduler.keys}
    ours = "flow" if scheduler.scaling == "flow" else FAMILIES.get(cls, "diffusion")
    return _reason(cls, ours, _family(left, ours), left)


def _reason(name: str, ours: str, theirs: str, unread: Mapping[str, Any]) -> str:
    """ours: what a sampler is for. theirs: the model's. unread: settings that it does not read."""
    if ours == "inverse":
        return f"{name} leads from a picture to noise: it draws none."
    if ours != theirs:
        return f"{name} is for {ours} models, and this is a {theirs} model."
    if str(unread.get("variance_type")).startswith("learned"):
        return f"{name} takes no predicted variance, which this model gives beside its noise."
    return ""


def scheduler_named(name: str, config: Mapping[str, Any], schedule_type: str = "") -> "Scheduler":
    """Build a scheduler by its name, for a model's scheduler settings.

    name: as in `split_name`. config: settings of the model's own scheduler; those that were given
    are taken over. schedule_type: a key of `SCHEDULE_TYPES`, in any case, or "" for that of the
    name.
    Raises `EngineError` for an unknown name, with the nearest ones, and for what does not fit.
    """
    import engine.schedulers

    sampler, kind = split_name(name)
    kind = types.type_named(schedule_type) or kind
    if reason := unfit(name, config) or unfit_type(kind, sampler, config):
        raise EngineError(reason)
    cls, overrides = SCHEDULERS.get(sampler, (sampler, {}))
    made: type[Scheduler] = getattr(engine.schedulers, cls)
    settings = types.settings_of_type(kind, made.keys, config)
    return made.from_config(config, **(_translated(cls, config) | overrides | settings))


def _class(sampler: str) -> str:
    return SCHEDULERS[sampler][0] if sampler in SCHEDULERS else sampler


def _family(config: Mapping[str, Any], unknown: str = "diffusion") -> str:
    """What a model was trained on, by the settings of its own scheduler."""
    cls = str(config.get("_class_name"))
    if cls in FAMILIES:
        return FAMILIES[cls]
    if config.get("use_flow_sigmas") or config.get("prediction_type") == "flow_prediction":
        return "flow"
    return next((family for key, family in MARKS.items() if key in config), unknown)


def _translated(cls: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A flow model's settings in the words of another class that does flow."""
    if _family(config) != "flow":
        return {}
    shift = config.get("shift", config.get("flow_shift", 1.0))
    if cls in FLOW_ABLE:
        return {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": shift}
    return {"shift": shift}
