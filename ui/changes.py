"""What was changed while a run went on, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.pipelines.changes import Change
from ui.stream import View

__all__ = ["LIVE", "Told", "listed", "told"]

LIVE: dict[str, str] = {
    "scheduler": "Sampler",
    "schedule_type": "Schedule type",
    "guidance_scale": "Guidance",
    "steps": "Steps",
}
"""Field of a Request that a run takes up on its way -> label of its control."""

UNSET = {"scheduler": "Model's own", "schedule_type": "Automatic"}
"""What the empty value of a field means."""


@dataclass(frozen=True)
class Told:
    """text: what changed at `step`, or why nothing did. call: of the model, the first that knew."""

    step: int
    call: int
    text: str
    refused: bool = False

    def __str__(self) -> str:
        if self.refused:
            return f"No change at step {self.step}: {self.text}"
        return f"{self.text} at step {self.step}"


def told(view: View) -> list[Told]:
    """The changes of a run, those of one step together: `Euler to DPM++ 2M at step 7`."""
    now, lines = dict(view.settings), []
    for change in view.changes:
        step, call = change.step, change.call + 1
        if change.refused:
            lines.append(Told(step, call, change.refused, refused=True))
            continue
        parts = [_part(name, now, value) for name, value in change.settings.items()]
        if lines and lines[-1].step == step and not lines[-1].refused:
            parts.insert(0, lines.pop().text)
        lines.append(Told(step, call, ", ".join(parts)))
        now |= change.settings
    return lines


def listed(changes: Sequence[Change]) -> str:
    """Changes that a run is to make, in words: `to DPM++ 2M from call 8 of the model on`."""
    made = []
    for change in changes:
        parts = (_part(name, {}, value) for name, value in change.settings.items())
        made.append(f"{', '.join(parts)} from call {change.call + 1} of the model on")
    return "; ".join(made)


def _part(name: str, now: Mapping[str, Any], value: Any) -> str:
    label = "" if name == "scheduler" else f"{LIVE.get(name, name)} "
    if name not in now:  # the browser has forgotten what the run began with
        return f"{label}to {_word(name, value)}"
    return f"{label}{_word(name, now[name])} to {_word(name, value)}"


def _word(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) or UNSET.get(name, "none")
