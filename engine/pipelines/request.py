"""What a person asks for: all that is needed to make a picture again."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from engine.checks import choice
from engine.errors import EngineError, RequestError
from engine.pictures import FITS
from engine.pipelines.changes import Change, check_sampler
from engine.pipelines.limits import (
    FILLS,
    LIMITS,
    MAX_CHANGES,
    check_number,
    check_text,
    check_trained,
    executed_steps,
)
from engine.pipelines.tasks import FIELDS, PICTURES
from engine.schedulers.registry import split_name, unfit, unfit_type

__all__ = ["Request"]

TEXTS = ("model", "prompt", "negative_prompt", "scheduler", "schedule_type", "task")
NUMBERS = (
    *("steps", "guidance_scale", "width", "height", "seed", "count", "batch_size"),
    *("variation_seed", "variation_strength", "strength", "mask_blur"),
)
NAME = re.compile("[0-9a-f]{64}")
"""Of a picture: the SHA-256 of its file."""


@dataclass(frozen=True)
class Request:
    """One run of a model.

    model: name under the models folder. scheduler: as `scheduler_named` takes it, "" for the
    model's own. schedule_type: a key of `SCHEDULE_TYPES`, "" for what the scheduler says.
    changes: what to change on the way, as a live change does.
    width, height: in pixels, multiples of 8, 0 for the model's own; an unconditional model draws
    no other. count: how many images; batch_size: how many of them are drawn at once.
    seed: the images of a run have the seeds seed, seed + 1, ... seed + count - 1; each equals the
    image of a run of its own. variation_strength: 0 to 1, how far the noise that an image begins
    with is led from that of `seed` towards that of `variation_seed`; above 0 all images have the
    seed `seed`, and the variation seeds variation_seed, variation_seed + 1, ...

    The others mean something in some tasks alone, as `FIELDS` has them. image, mask, depth_map:
    names of pictures, the SHA-256 of their files in hex; "" for a depth that is estimated.
    strength: 0 to 1, the part of the steps that is made. fit: one of `FITS`, how a picture is
    brought to the width and height. mask_blur, in pixels, and fill: as in the inpainting pipeline;
    padding too: None for the whole picture, else only what is marked and so many pixels around it.
    invert_mask: repaint what is not marked; invert_depth: darker is nearer.
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
    batch_size: int = 1
    variation_seed: int = 0
    variation_strength: float = 0.0
    task: str = "text-to-image"
    schedule_type: str = ""
    changes: tuple[Change, ...] = ()
    image: str = ""
    mask: str = ""
    depth_map: str = ""
    strength: float = 0.8
    fit: str = "crop"
    fill: str = "original"
    mask_blur: int = 4
    padding: int | None = None
    invert_mask: bool = False
    invert_depth: bool = False

    def check(self) -> Self:
        """Return the request itself, or raise a `RequestError` that names the field."""
        for name in TEXTS:
            check_text(name, getattr(self, name))
        if self.task not in FIELDS:
            raise RequestError(f"task is {self.task!r}; known are: {', '.join(FIELDS)}.")
        if not self.model:
            raise RequestError("model is empty: choose a model.")
        for name in NUMBERS:
            check_number(name, getattr(self, name))
        if self.padding is not None:
            check_number("padding", self.padding)
        check_sampler(self.scheduler, self.schedule_type)
        self._check_unused()
        self._check_changes()
        self._check_pictures()
        if "prompt" in FIELDS[self.task]:
            self._check_latent()
        first = getattr(self, self._counted)
        if first + self.count - 1 > LIMITS[self._counted][1]:
            raise RequestError(f"{self._counted} is {first}: with {self.count} images it runs out.")
        return self

    def part(self, first: int, count: int) -> Self:
        """The request for `count` of the images alone, from image `first` on."""
        return replace(self, count=count, **{self._counted: getattr(self, self._counted) + first})

    @property
    def _counted(self) -> str:
        """The field that tells the images of a run apart."""
        return "variation_seed" if self.variation_strength else "seed"

    @property
    def unused(self) -> frozenset[str]:
        """Fields that mean nothing in this task."""
        return frozenset(set().union(*FIELDS.values()) - set(FIELDS[self.task]))

    @property
    def pictures(self) -> dict[str, str]:
        """The fields that name a picture, and the names."""
        return {field: name for field in PICTURES if (name := getattr(self, field))}

    @property
    def executed(self) -> int:
        """How many steps are made; raises `RequestError` if none is."""
        return executed_steps(self.steps, self.strength) if self.from_picture else self.steps

    @property
    def from_picture(self) -> bool:
        """Whether the run begins with a picture."""
        return "image" in FIELDS[self.task]

    def _check_unused(self) -> None:
        unused = self.unused
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in unused and value != field.default:
                raise RequestError(
                    f"{field.name} is {str(value)[:40]!r}, but {self.task} takes none: "
                    "leave it out."
                )

    def _check_pictures(self) -> None:
        for field, needed in PICTURES.items():
            name = getattr(self, field)
            if not isinstance(name, str) or (name and not NAME.fullmatch(name)):
                raise RequestError(
                    f"{field} is {str(name)[:80]!r}: the name that an upload was given is needed."
                )
            if needed and field in FIELDS[self.task] and not name:
                what = "mark what is to be repainted" if field == "mask" else "choose a picture"
                raise RequestError(f"{field} is missing: {what}.")
        for field in ("invert_mask", "invert_depth"):
            if not isinstance(getattr(self, field), bool):
                raise RequestError(f"{field} is {getattr(self, field)!r}: give true or false.")
        try:
            choice("fit", self.fit, FITS)
            choice("fill", self.fill, FILLS)
        except EngineError as error:
            raise RequestError(str(error)) from None
        _ = self.executed

    def _check_latent(self) -> None:
        if not self.prompt.strip():
            raise RequestError("prompt is empty: say what the picture should show.")
        for name in ("width", "height"):
            if getattr(self, name) % 8:
                value = getattr(self, name)
                raise RequestError(
                    f"{name} is {value}, which is not a multiple of 8: "
                    f"use {value // 8 * 8 or 8} or {value // 8 * 8 + 8}."
                )

    def _check_changes(self) -> None:
        if not isinstance(self.changes, tuple):
            raise RequestError(f"changes is {self.changes!r}: a tuple of changes is needed.")
        if len(self.changes) > MAX_CHANGES:
            raise RequestError(
                f"changes has {len(self.changes)} entries: a run takes {MAX_CHANGES} at most."
            )
        for change in self.changes:
            change.check()
            for name in change.settings.keys() & self.unused:
                raise RequestError(
                    f"the change after call {change.call} sets {name}, but the task {self.task} "
                    "takes none."
                )

    def check_for(self, scheduler: Mapping[str, Any]) -> Self:
        """Return the request itself, or raise a `RequestError` for what a model cannot do.

        scheduler: the settings of the model's own, with its `_class_name`.
        """
        most = scheduler.get("num_train_timesteps")
        first = Change(0, self.scheduler, self.schedule_type, steps=self.steps)
        sampler, kind = "", ""
        for change in (first, *self.changes):
            if change.scheduler and (reason := unfit(change.scheduler, scheduler)):
                raise RequestError(f"scheduler is {change.scheduler!r}: {reason}")
            named = ""
            if change.scheduler is not None:
                sampler, named = split_name(change.scheduler) if change.scheduler else ("", "")
            kind = named or (kind if change.schedule_type is None else change.schedule_type)
            if reason := unfit_type(kind, sampler, scheduler):
                raise RequestError(f"schedule_type is {kind!r}: {reason}")
            if change.steps is not None and isinstance(most, int):
                check_trained(change.steps, most)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, fit for JSON."""
        changes = [change.to_dict() for change in self.changes]
        return asdict(self) | {"changes": changes}

    def used(self) -> dict[str, Any]:
        """Return the fields that mean something in this task: `from_dict` defaults the others."""
        unused = self.unused
        return {name: value for name, value in self.to_dict().items() if name not in unused}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a request of the fields of `to_dict`; raises `RequestError` for unknown ones."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown or "model" not in values:
            what = f"unknown: {', '.join(unknown)}" if unknown else "missing: model"
            raise RequestError(f"fields of the request are {what}; known: {', '.join(known)}.")
        changes = values.get("changes", ())
        if not isinstance(changes, list | tuple):
            raise RequestError(f"changes is {changes!r}: a list of changes is needed.")
        made = tuple(Change.from_dict(change) for change in changes)
        return cls(**{**values, "changes": made})
