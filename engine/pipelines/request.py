"""What a person asks for: all that is needed to make a picture again."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from engine.errors import RequestError
from engine.pipelines.tasks import TASKS

__all__ = ["LIMITS", "Request"]

LIMITS: dict[str, tuple[float, float]] = {
    "steps": (1, 1000),
    "guidance_scale": (0, 50),
    "width": (0, 4096),
    "height": (0, 4096),
    "seed": (0, 2**32 - 1),
    "count": (1, 16),
}
"""Field -> smallest and largest value."""

UNUSED: dict[str, tuple[str, ...]] = {
    "unconditional": ("prompt", "negative_prompt", "guidance_scale"),
}
"""Task -> fields that have no meaning there."""

MAX_TEXT = 10_000


@dataclass(frozen=True)
class Request:
    """One run of a model.

    model: name under the models folder. scheduler: a key of `SCHEDULERS`, "" for the model's own.
    width, height: in pixels, multiples of 8, 0 for the model's own; an unconditional model draws
    no other. The images of a run have the seeds seed, seed + 1, ... seed + count - 1; each equals
    the image of a run of its own. An unconditional run takes no texts and no guidance.
    """

    model: str
    prompt: str = ""
    negative_prompt: str = ""
    scheduler: str = ""
    steps: int = 25
    guidance_scale: float = 5.0
    width: int = 0
    height: int = 0
    seed: int = 0
    count: int = 1
    task: str = "text-to-image"

    def check(self) -> Self:
        """Return the request itself, or raise a `RequestError` that names the field."""
        for name in ("model", "prompt", "negative_prompt", "scheduler", "task"):
            self._check_text(name)
        if self.task not in TASKS:
            raise RequestError(f"task is {self.task!r}; known are: {', '.join(TASKS)}.")
        if not self.model:
            raise RequestError("model is empty: choose a model.")
        for name, (low, high) in LIMITS.items():
            self._check_number(name, low, high)
        if self.task == "unconditional":
            self._check_unconditional()
        else:
            self._check_text_to_image()
        if self.seed + self.count - 1 > LIMITS["seed"][1]:
            raise RequestError(f"seed is {self.seed}: with {self.count} images it runs out.")
        return self

    def _check_unconditional(self) -> None:
        for name in ("prompt", "negative_prompt"):
            if value := getattr(self, name):
                raise RequestError(
                    f"{name} is {value[:40]!r}, but an unconditional model reads no text: "
                    "leave it empty."
                )

    def _check_text_to_image(self) -> None:
        if not self.prompt.strip():
            raise RequestError("prompt is empty: say what the picture should show.")
        for name in ("width", "height"):
            if getattr(self, name) % 8:
                value = getattr(self, name)
                raise RequestError(
                    f"{name} is {value}, which is not a multiple of 8: "
                    f"use {value // 8 * 8 or 8} or {value // 8 * 8 + 8}."
                )

    def _check_text(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, str):
            raise RequestError(f"{name} is {value!r}: a text is needed.")
        if len(value) > MAX_TEXT:
            raise RequestError(f"{name} has {len(value)} characters, at most {MAX_TEXT} are taken.")

    def _check_number(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        whole = name != "guidance_scale"
        wanted = int if whole else (int, float)
        # an int is finite, and a huge one would not fit into the float that isfinite looks at
        finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        if not isinstance(value, wanted) or isinstance(value, bool) or not finite:
            kind = "a whole number" if whole else "a number"
            raise RequestError(f"{name} is {value!r}: {kind} from {low} to {high} is needed.")
        if not low <= value <= high:
            raise RequestError(f"{name} is {value}: it must be from {low} to {high}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, fit for JSON."""
        return asdict(self)

    def used(self) -> dict[str, Any]:
        """Return the fields that mean something in this task: `from_dict` defaults the others."""
        unused = UNUSED.get(self.task, ())
        return {name: value for name, value in self.to_dict().items() if name not in unused}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a request of the fields of `to_dict`; raises `RequestError` for unknown ones."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown or "model" not in values:
            what = f"unknown: {', '.join(unknown)}" if unknown else "missing: model"
            raise RequestError(f"fields of the request are {what}; known: {', '.join(known)}.")
        return cls(**values)
