"""What other apps write into their pictures, read by the names that they use.

Sources: AUTOMATIC1111's `create_infotext`; ComfyUI's prompts in the form of its API; InvokeAI's
`CoreMetadata`, and `sd-metadata` before it; Fooocus' `MetadataParser`.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from engine.service.infotext import PARAMETERS, read_infotext

__all__ = ["READERS", "Said", "read_json_text"]

Texts = Mapping[str, str]
"""Keyword -> text, of the file of a picture."""


@dataclass
class Said:
    """What a file says. settings: by fields of a Request; `sampler` and `schedule` are such names
    as the app has. other: what else it says, by the app's names."""

    app: str
    settings: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)


def read_json_text(text: str | None) -> dict[str, Any] | None:
    """The object that a text is in JSON; None for anything else."""
    with suppress(ValueError, RecursionError, TypeError):
        told = json.loads(text or "")
        if isinstance(told, dict):
            return told
    return None


def _sort(app: str, told: Mapping[str, Any], names: Mapping[str, str]) -> Said:
    """names: the app's -> the field's. What says nothing is left out."""
    said = Said(app)
    for name, value in told.items():
        if name in names:
            said.settings[names[name]] = value
        elif value not in (None, "", [], {}, "None"):
            said.other[name] = value
    return said


INFOTEXT = {
    "Steps": "steps",
    "Sampler": "sampler",
    "Schedule type": "schedule",
    "Scheduler": "schedule",
    "CFG scale": "guidance_scale",
    "Seed": "seed",
    "Model": "model",
    "Variation seed": "variation_seed",
    "Variation seed strength": "variation_strength",
    "Denoising strength": "strength",
    "Mask blur": "mask_blur",
    "Masked area padding": "padding",
}

WRITERS = ("Fooocus", "Stepwise", "ComfyUI")
"""Others that write this text, as their version begins."""


def automatic1111(texts: Texts) -> Said | None:
    """The text of AUTOMATIC1111's web UI and of those that write it too."""
    told = read_infotext(texts.get(PARAMETERS, ""))
    if not told.settings:
        return None
    version = told.settings.get("Version", "")
    app = next((other for other in WRITERS if version.startswith(other)), "AUTOMATIC1111")
    said = _sort(app, told.settings, INFOTEXT)
    said.settings |= {"prompt": told.prompt, "negative_prompt": told.negative_prompt}
    width, _, height = str(said.other.pop("Size", "")).partition("x")
    if height:
        said.settings |= {"width": width, "height": height}
    return said


FOOOCUS = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "steps": "steps",
    "guidance_scale": "guidance_scale",
    "sampler": "sampler",
    "scheduler": "schedule",
    "seed": "seed",
    "base_model": "model",
}


def fooocus(texts: Texts) -> Said | None:
    """Fooocus in a form of its own; it also writes AUTOMATIC1111's."""
    told = read_json_text(texts.get(PARAMETERS))
    if told is None or "base_model" not in told:
        return None
    said = _sort("Fooocus", told, FOOOCUS)
    with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        width, height = ast.literal_eval(str(told["resolution"])[:40])
        said.settings |= {"width": width, "height": height}
        del said.other["resolution"]
    return said


INVOKE = {
    "positive_prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "width": "width",
    "height": "height",
    "seed": "seed",
    "cfg_scale": "guidance_scale",
    "steps": "steps",
    "scheduler": "sampler",
    "sampler": "sampler",
    "strength": "strength",
}


def invokeai(texts: Texts) -> Said | None:
    """InvokeAI from version 3 on, and version 2."""
    if told := read_json_text(texts.get("invokeai_metadata")):
        model = told.pop("model", None)
        said = _sort("InvokeAI", told, INVOKE)
        name = model.get("name") or model.get("model_name") if isinstance(model, dict) else model
        return _with_model(said, name)
    told = read_json_text(texts.get("sd-metadata"))
    image = told.get("image") if told else None
    if told is None or not isinstance(image, dict):
        return None
    said = _sort("InvokeAI", image, INVOKE)
    prompts = said.other.pop("prompt", "")
    if isinstance(prompts, list):
        parts = [part.get("prompt") for part in prompts if isinstance(part, dict)]
        prompts = " ".join(part for part in parts if isinstance(part, str))
    said.settings |= _split_brackets(str(prompts))
    return _with_model(said, told.get("model_weights"))


def _with_model(said: Said, name: Any) -> Said:
    if isinstance(name, str) and name:
        said.settings["model"] = name
    return said


def _split_brackets(prompt: str) -> dict[str, str]:
    """What stands in square brackets is what to leave out."""
    parts = re.split(r"\[([^\]]*)\]?", prompt)
    return {
        "prompt": " ".join("".join(parts[::2]).split()),
        "negative_prompt": " ".join(" ".join(parts[1::2]).split()),
    }


NODES = 10_000
"""Nodes of a graph that are looked at."""

SAMPLERS = ("KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced")
SAMPLER = {
    "seed": "seed",
    "noise_seed": "seed",
    "steps": "steps",
    "cfg": "guidance_scale",
    "sampler_name": "sampler",
    "scheduler": "schedule",
    "denoise": "strength",
}
PARTS = ("noise", "guider", "sampler", "sigmas")
"""Inputs of a sampler that come from nodes of their own."""
WORDS = ("text", "text_g", "string", "value", "prompt", "text_l", "t5xxl", "clip_l")
"""Inputs that hold a text, also behind a link."""
MODELS = {"ckpt_name", "unet_name"}


def comfyui(texts: Texts) -> Said | None:
    """ComfyUI: the sampler that begins from nothing, and what leads to it."""
    graph = read_json_text(texts.get("prompt"))
    nodes = {
        key: node
        for key, node in list((graph or {}).items())[:NODES]
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict)
    }
    samplers = [key for key, node in nodes.items() if node.get("class_type") in SAMPLERS]
    if not samplers:
        return None
    empty = [key for key in samplers if _sized(nodes, _link(nodes, key, "latent_image"))]
    return _sampled(nodes, (empty or samplers)[0])


Nodes = Mapping[str, dict[str, Any]]


def _link(nodes: Nodes, key: str, name: str) -> str:
    """The node that an input comes from, "" if from none."""
    value = nodes[key]["inputs"].get(name)
    source = value[0] if isinstance(value, list) and value else None
    return str(source) if isinstance(source, str | int) and str(source) in nodes else ""


def _before(nodes: Nodes, key: str) -> Iterator[str]:
    """A node and those that lead to it, nearest first, each once."""
    seen, queue = {key}, [key] if key else []
    for at in queue:
        yield at
        for name in nodes[at]["inputs"]:
            source = _link(nodes, at, name)
            if source and source not in seen:
                seen.add(source)
                queue.append(source)


def _sized(nodes: Nodes, key: str) -> dict[str, Any]:
    """Width and height, if a node says what is drawn upon and is no picture."""
    inputs = nodes[key]["inputs"] if key else {}
    size = {side: inputs.get(side) for side in ("width", "height")}
    return size if all(isinstance(one, int) for one in size.values()) else {}


def _sampled(nodes: Nodes, key: str) -> Said:
    said = Said("ComfyUI", _sized(nodes, _link(nodes, key, "latent_image")))
    parts = [key, *filter(None, (_link(nodes, key, name) for name in PARTS))]
    for part in parts:
        for name, value in nodes[part]["inputs"].items():
            value = _plain(nodes, part, name, value)
            if name in SAMPLER and value is not None:
                said.settings[SAMPLER[name]] = value
    for part in parts:
        for name, wanted in (
            ("positive", "prompt"),
            ("conditioning", "prompt"),
            ("negative", "negative_prompt"),
        ):
            if source := _link(nodes, part, name):
                said.settings.setdefault(wanted, _words(nodes, source))
        for at in _before(nodes, _link(nodes, part, "model")):
            inputs = nodes[at]["inputs"]
            for name in MODELS & inputs.keys():
                said.settings.setdefault("model", inputs[name])
            if "lora_name" in inputs:
                said.other.setdefault("LoRA", []).append(inputs["lora_name"])
    return said


def _plain(nodes: Nodes, key: str, name: str, value: Any) -> Any:
    """A value, also from a node that holds nothing else; None for a link to anything else."""
    if not isinstance(value, list):
        return value
    source = _link(nodes, key, name)
    inputs = nodes[source]["inputs"] if source else {}
    held = [inputs[one] for one in (name, "value", "seed") if one in inputs]
    return held[0] if held and not isinstance(held[0], list) else None


def _words(nodes: Nodes, key: str) -> str:
    """The text that a conditioning comes of: the nearest."""
    for at in _before(nodes, key):
        for name in WORDS:
            text = nodes[at]["inputs"].get(name)
            if isinstance(text, str):
                return text
    return ""


READERS: tuple[Callable[[Texts], Said | None], ...] = (fooocus, invokeai, comfyui, automatic1111)
"""In the order in which they are asked: ComfyUI's pictures may hold AUTOMATIC1111's text too."""
