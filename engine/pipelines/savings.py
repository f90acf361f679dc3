"""Ways to need less memory, as callers of diffusers ask for them."""

from typing import Any

from engine.errors import EngineError
from engine.models.autoencoder import Autoencoder

__all__ = ["MemorySavings"]


class MemorySavings:
    """What a pipeline can be told about memory. Its autoencoder is told, and with it all pipelines
    that share it."""

    def enable_vae_tiling(self) -> None:
        """Encode and decode large pictures in tiles: see `Autoencoder.enable_tiling`."""
        self._vae().enable_tiling()

    def disable_vae_tiling(self) -> None:
        """Encode and decode large pictures whole again."""
        self._vae().disable_tiling()

    def enable_vae_slicing(self) -> None:
        """Encode and decode one picture after another, as pipelines here do in any case."""
        self._vae().enable_slicing()

    def disable_vae_slicing(self) -> None:
        """Have `vae` encode and decode all pictures at once that it is given at once."""
        self._vae().disable_slicing()

    def enable_attention_slicing(self, slice_size: str | int | None = "auto") -> None:
        """Taken so that a call written for diffusers runs, and without effect: attention here is
        fused (Dao et al. 2022) and never holds the scores that slices would make smaller."""

    def disable_attention_slicing(self) -> None:
        """As `enable_attention_slicing`: without effect."""

    def _vae(self) -> Autoencoder:
        vae: Any = getattr(self, "vae", None)
        if not isinstance(vae, Autoencoder):
            raise EngineError(
                f"{type(self).__name__} has no autoencoder: it works on pixels, and needs no tiles."
            )
        return vae
