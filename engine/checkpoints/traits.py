"""What kind of model a checkpoint is, and how such models are usually run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Traits", "traits_of"]


@dataclass(frozen=True)
class Traits:
    """family: what a person calls its kind. steps, guidance_scale: of a first try."""

    family: str
    steps: int
    guidance_scale: float


SMALL = Traits("Stable Diffusion", 25, 5.0)
BY_TEXT = {
    768: Traits("Stable Diffusion 1", 25, 7.5),
    1024: Traits("Stable Diffusion 2", 25, 7.5),
}
"""Width of the text that the UNet reads -> what it is."""
XL = Traits("SDXL", 30, 5.0)
REFINER = Traits("SDXL refiner", 30, 5.0)
UNCONDITIONAL = Traits("Unconditional", 50, 5.0)

DISTILLED = {"turbo": 4, "lightning": 4, "hyper": 8, "lcm": 4}
"""What the names of distilled models have in them -> steps that they are made for, unless the name
says those too. They are run without guidance, which is in their weights."""
STEPS = re.compile(r"(\d{1,2})[ _-]?steps?(?![a-z])")


def traits_of(
    name: str, pipeline: str, unet: Mapping[str, Any], scheduler: Mapping[str, Any]
) -> Traits:
    """name: of the checkpoint. pipeline: class in its index. unet, scheduler: their settings."""
    kind = _kind(pipeline, unet)
    words = set(re.split(r"[^a-z]+", name.lower()))
    found = next((word for word in DISTILLED if word in words), "")
    if not found and scheduler.get("_class_name") == "LCMScheduler":
        found = "lcm"
    if not found or kind is UNCONDITIONAL:
        return kind
    told = STEPS.search(name.lower())
    steps = max(1, int(told[1])) if told else DISTILLED[found]
    reads_guidance = unet.get("time_cond_proj_dim") is not None
    return Traits(f"{kind.family}, distilled", steps, 8.0 if reads_guidance else 1.0)


def _kind(pipeline: str, unet: Mapping[str, Any]) -> Traits:
    if pipeline.startswith("StableDiffusionXL"):
        refiner = unet.get("cross_attention_dim") == 1280
        return REFINER if refiner else XL
    if pipeline in ("DDIMPipeline", "DDPMPipeline", "PNDMPipeline"):
        return UNCONDITIONAL
    width = unet.get("cross_attention_dim")
    return BY_TEXT.get(width, SMALL) if isinstance(width, int) else SMALL
