"""Schedule types by the names that people choose from: at which noise levels a run calls its model.

Needs no torch until levels are computed.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from engine.errors import EngineError, unknown_name
from engine.schedulers.tables import SHAPES, SPACINGS, Array

__all__ = [
    *("AUTOMATIC", "SCHEDULE_TYPES", "settings_of_type", "sigmas_of_type", "type_named"),
    *("plain", "unspanned"),
]

AUTOMATIC = "Automatic"
"""What the scheduler's own settings say; "" means the same."""

SIGMA_SCHEDULES = {name: {"sigma_schedule": name.lower()} for name in ("Karras", "Exponential")}
"""Name -> the settings that mean it in EDM's classes."""

ALIASES = {"align your steps": "AYS", "ddim uniform": "DDIM"}

SHAPE_FLAGS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas")

ALIGNED = {
    "AYS": (
        *(14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092),
        *(0.9642583904, 0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582),
    ),
    "AYS SDXL": (
        *(14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141),
        *(0.5550693289, 0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582),
    ),
}
"""The levels of ten steps (Sabour et al. 2024, Align Your Steps, arXiv 2404.14507)."""


def plain(name: str) -> str:
    """A name in small letters, without the signs and the prefix of k-diffusion's names."""
    words = " ".join(name.lower().replace("_", " ").split())
    return words.removeprefix("k ").removeprefix("sample ").replace("dpmpp", "dpm++")


def type_named(name: str) -> str:
    """The key of `SCHEDULE_TYPES` for a name in any case, "" for the automatic one.

    Raises `EngineError` for an unknown name, with the nearest ones.
    """
    known = {key.lower(): key for key in SCHEDULE_TYPES} | ALIASES
    asked = plain(name)
    if asked in ("", AUTOMATIC.lower()):
        return ""
    if asked not in known:
        raise unknown_name("schedule type", name, known, SCHEDULE_TYPES)
    return known[asked]


def settings_of_type(name: str, keys: Collection[str], config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that give a scheduler a schedule type, over a configuration.

    keys: those of its class. Where some of them mean the type, a saved configuration means it
    elsewhere too; `schedule_type` is a key of ours.
    """
    if not name:
        return {}
    off: dict[str, Any] = {key: False for key in SHAPE_FLAGS if key in keys}
    if "schedule_type" in config:
        off["schedule_type"] = ""
    for own in (SCHEDULE_TYPES[name][0], SIGMA_SCHEDULES.get(name, {})):
        if own and own.keys() <= set(keys):
            return off | own
    return off | {"schedule_type": name}


def sigmas_of_type(name: str, table: Array, steps: int) -> Array:
    """Noise levels (steps,), descending, of a type over a training table (T,), ascending.

    steps: 1 to T. The level where the last step ends is not among them. Raises `EngineError` where
    the table does not suit the type.
    """
    if reason := unspanned(name, table[0], table[-1]):
        raise EngineError(reason)
    _, levels = SCHEDULE_TYPES[name]
    assert levels is not None, "the automatic type is no key of a configuration"
    return levels(table, steps)


def unspanned(name: str, low: float, high: float) -> str:
    """Why a type does not suit a model with levels from `low` to `high`; "" if it does."""
    published = ALIGNED.get(name)
    if published is None or (low <= 1.01 * published[-1] and high >= published[1]):
        return ""
    return (
        f"{name} was found for noise levels from {published[-1]:.3g} to {published[0]:.3g}; "
        f"this model's go from {low:.3g} to {high:.3g}. Choose another schedule type."
    )


def _at(table: Array, timesteps: Array) -> Array:
    """Noise levels of timesteps, interpolated in their logarithm."""
    return np.exp(np.interp(timesteps, np.arange(len(table)), np.log(table)))


def _normal(table: Array, steps: int) -> Array:
    """Evenly spaced timesteps, both ends of the table among them."""
    return _at(table, np.linspace(len(table) - 1, 0, steps))


def _sgm_uniform(table: Array, steps: int) -> Array:
    """Evenly spaced timesteps of which the first of training would be one more."""
    return _at(table, np.linspace(len(table) - 1, 0, steps + 1)[:-1])


def _simple(table: Array, steps: int) -> Array:
    """Every (T / steps)-th level, counted from the highest and rounded down."""
    return table[-1 - (np.arange(steps) * (len(table) / steps)).astype(int)]


def _ddim(table: Array, steps: int) -> Array:
    """Every (T // steps)-th level, counted from the second lowest (DDIM's with its offset of 1)."""
    stride = len(table) // steps
    first = min(1, len(table) - 1 - (steps - 1) * stride)
    return table[first + stride * np.arange(steps)[::-1]]


def _trailing(table: Array, steps: int) -> Array:
    """Lin et al. 2023 (arXiv 2305.08891), table 2."""
    return table[SPACINGS["trailing"](len(table), steps, 0).astype(int)]


def _shaped(key: str) -> Callable[[Array, int], Array]:
    return lambda table, steps: SHAPES[key](table[0], table[-1], steps)


def _aligned(published: tuple[float, ...]) -> Callable[[Array, int], Array]:
    """Published levels, resampled in their logarithm; the first is the model's own highest."""

    def levels(table: Array, steps: int) -> Array:
        places = np.linspace(0, len(published) - 1, steps + 1)[:-1]
        sigmas = np.exp(np.interp(places, np.arange(len(published)), np.log(published)))
        return np.append(table[-1], sigmas[1:])

    return levels


SCHEDULE_TYPES: dict[str, tuple[dict[str, Any], Callable[[Array, int], Array] | None]] = {
    AUTOMATIC: ({}, None),
    "Uniform": ({"timestep_spacing": "linspace"}, _normal),
    "Karras": ({"use_karras_sigmas": True}, _shaped("use_karras_sigmas")),
    "Exponential": ({"use_exponential_sigmas": True}, _shaped("use_exponential_sigmas")),
    "Beta": ({"use_beta_sigmas": True}, _shaped("use_beta_sigmas")),
    "SGM Uniform": ({}, _sgm_uniform),
    "Simple": ({}, _simple),
    "Normal": ({}, _normal),
    "DDIM": ({"timestep_spacing": "leading", "steps_offset": 1}, _ddim),
    "Trailing": ({"timestep_spacing": "trailing"}, _trailing),
    "AYS": ({}, _aligned(ALIGNED["AYS"])),
    "AYS SDXL": ({}, _aligned(ALIGNED["AYS SDXL"])),
}
"""Name -> (the settings that mean it, where a scheduler class has them all; elsewhere
f(training table, steps): the noise levels, as AUTOMATIC1111 and ComfyUI define them)."""
