"""Arguments that are taken so that a call written for diffusers runs, and that change nothing.

Each is taken at the one value that asks for nothing here. Another is an error, never ignored.
"""

import reprlib
from collections.abc import Mapping
from typing import Any

from engine.errors import EngineError

__all__ = ["LOADING", "check_neutral", "without_hints"]

_ON_META = "models are always built without memory, and filled by the file."
_ONE_DEVICE = "load it, then move it with .to(device)."
_SAFE = "only safetensors are read and written, as other files can run code when they are opened."

LOADING: dict[str, tuple[Any, str]] = {
    "custom_pipeline": (None, "code of a checkpoint is never run; import the class instead."),
    "device_map": (None, _ONE_DEVICE),
    "force_download": (False, "delete the repository from the Hub's cache instead."),
    "from_flax": (False, _SAFE),
    "ignore_mismatched_sizes": (False, "every tensor must fit the configuration."),
    "low_cpu_mem_usage": (True, _ON_META),
    "max_memory": (None, _ONE_DEVICE),
    "offload_folder": (None, _ONE_DEVICE),
    "offload_state_dict": (None, _ONE_DEVICE),
    "output_loading_info": (False, "what does not fit is an error already."),
    "proxies": (None, "set the environment variable HTTPS_PROXY."),
    "quantization_config": (None, "choose a dtype instead."),
    "return_unused_kwargs": (False, "keys that a class does not know stay in its config."),
    "trust_remote_code": (False, "code of a checkpoint is never run."),
}
"""What `from_pretrained` of diffusers takes beside what ours does: neutral value, what to do."""

_NOT_READ = "networks here read the timestep and the text alone."

NEUTRAL: dict[str, tuple[Any, str]] = {
    "attention_mask": (None, _NOT_READ),
    "class_labels": (None, "no class-conditional model is supported."),
    "cross_attention_kwargs": (None, _NOT_READ),
    "down_block_additional_residuals": (None, "ControlNet and T2I-Adapter are not supported."),
    "down_intrablock_additional_residuals": (None, "T2I-Adapter is not supported."),
    "encoder_attention_mask": (None, "pad the text, and attend to all of it."),
    "exclude_embeddings": (False, "networks here have no embeddings of tokens."),
    "is_main_process": (True, "call save_pretrained in the main process only."),
    "mid_block_additional_residual": (None, "ControlNet is not supported."),
    "push_to_hub": (False, "save to a folder and upload that with huggingface_hub."),
    "safe_serialization": (True, _SAFE),
    "save_function": (None, _SAFE),
    **LOADING,
}
"""Argument -> the value that asks for nothing, and what to do for another. None asks for nothing
anywhere."""


def check_neutral(**given: Any) -> None:
    """Raise an `EngineError` for the first argument that asks for something."""
    for name, value in given.items():
        neutral, instead = NEUTRAL[name]
        if value is not None and value is not neutral:
            raise EngineError(
                f"{name} is {reprlib.repr(value)}, and only {neutral} is taken here: {instead}"
            )


def without_hints(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is no key of `LOADING`; raises `EngineError` for one that asks for something."""
    check_neutral(**{name: value for name, value in given.items() if name in LOADING})
    return {name: value for name, value in given.items() if name not in LOADING}
