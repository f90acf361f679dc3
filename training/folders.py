"""Where the bundled models lie."""

from pathlib import Path

__all__ = ["TABLETOP", "TABLETOP_DDPM", "TABLETOP_DEPTH", "TABLETOP_INPAINT"]

_MODELS = Path("assets/models")
TABLETOP = _MODELS / "tabletop"
TABLETOP_DDPM = _MODELS / "tabletop-ddpm"
TABLETOP_DEPTH = _MODELS / "tabletop-depth"
TABLETOP_INPAINT = _MODELS / "tabletop-inpaint"
