"""The fits of previews, kept on disk: that of a large autoencoder takes seconds."""

import hashlib
import logging
import os
from contextlib import suppress
from pathlib import Path

import torch
from safetensors.torch import load_file

from engine.checkpoints.weights import check_file, write_tensors
from engine.errors import CheckpointError
from engine.models.autoencoder import Autoencoder
from engine.models.preview import LatentPreview

__all__ = ["keep_preview"]

VERSION = b"1"
"""Of how a preview is fitted: changed with that."""

log = logging.getLogger(__name__)


def keep_preview(vae: Autoencoder) -> None:
    """Give an autoencoder the previewer that is kept for its weights, or a new one to be kept.

    It lies in the cache of the user, by the hash of the weights: whatever file they came from.
    """
    if "previewer" in vars(vae):
        return
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(cache, "stepwise", "previews") / f"{_fingerprint(vae)}.safetensors"
    with suppress(CheckpointError):  # none, or one that is not whole
        check_file(path)
        vae.previewer = LatentPreview(**load_file(path))
        return
    fitted = vae.previewer
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(path, {"features": fitted.features, "weight": fitted.weight})
    except OSError as error:
        log.info("The preview of an autoencoder is not kept: %s", error)


def _fingerprint(vae: Autoencoder) -> str:
    found = hashlib.sha256(VERSION + vae.config.to_text().encode())
    for name, tensor in vae.state_dict().items():
        found.update(f"{name} {tensor.dtype}".encode())
        found.update(memoryview(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy()))
    return found.hexdigest()
