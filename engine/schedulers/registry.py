"""The schedulers by the names that people choose from. Needs no torch until one is made."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.schedulers.base import Scheduler

__all__ = ["SCHEDULERS", "scheduler_named"]

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "DDIM": ("DDIMScheduler", {}),
    "DDPM": ("DDPMScheduler", {}),
    "Euler": ("EulerDiscreteScheduler", {}),
    "PNDM": ("PNDMScheduler", {"skip_prk_steps": True}),
}
"""Name -> (class, settings that it adds to the checkpoint's)."""


def scheduler_named(name: str, config: Mapping[str, Any]) -> "Scheduler":
    """Build a scheduler by its name here or its class name, for a model's scheduler settings.

    name: a key of `SCHEDULERS` or one of their classes, in any case.
    config: settings of the model's own scheduler; those that were given are taken over.
    Raises `EngineError` for an unknown name, with the nearest ones.
    """
    import engine.schedulers

    known = {key.lower(): key for key in SCHEDULERS}
    known |= {kind.lower(): key for key, (kind, _) in SCHEDULERS.items()}
    key = known.get(name.strip().lower())
    if key is None:
        near = get_close_matches(name.strip().lower(), known, n=3, cutoff=0.4)
        names = ", ".join(dict.fromkeys(known[match] for match in near)) or "none is near"
        raise EngineError(
            f"There is no scheduler {name!r}. Nearest: {names}. All: {', '.join(SCHEDULERS)}."
        )
    kind, overrides = SCHEDULERS[key]
    return getattr(engine.schedulers, kind).from_config(config, **overrides)
