"""The fit of a preview is made once for the weights of an autoencoder, and kept."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine import AutoencoderKL
from engine.models.preview import LatentPreview
from engine.service.previews import keep_preview


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
    """The autoencoders to which a preview was fitted, from an empty cache on."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    seen, fit = list[object](), LatentPreview.fit

    def counted(vae: AutoencoderKL) -> LatentPreview:
        seen.append(vae)
        return fit(vae)

    monkeypatch.setattr(LatentPreview, "fit", counted)
    return seen


def shown(folder: Path, change: float = 0.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """What the preview of a freshly loaded autoencoder is made of."""
    vae = AutoencoderKL.from_pretrained(folder, dtype=dtype)
    with torch.no_grad():
        vae.decoder.conv_out.weight.mul_(1 + change)
    keep_preview(vae)
    keep_preview(vae)
    [picture] = vae.previewer(torch.randn(1, 4, 4, 6, generator=torch.Generator().manual_seed(0)))
    assert picture.size == (24, 16)
    return vae.previewer.weight


def test_it_is_fitted_once(fits: list[object], tiny_checkpoint: Path) -> None:
    first, second = (shown(tiny_checkpoint / "vae") for _ in range(2))
    assert len(fits) == 1 and torch.equal(first, second)
    assert not torch.equal(shown(tiny_checkpoint / "vae", change=0.5), first)
    shown(tiny_checkpoint / "vae", dtype=torch.float16)
    assert len(fits) == 3


def test_a_damaged_one_is_made_anew(
    fits: list[object], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    first = shown(tiny_checkpoint / "vae")
    [kept] = tmp_path.rglob("*.safetensors")
    kept.write_bytes(kept.read_bytes()[:-4])
    assert torch.equal(shown(tiny_checkpoint / "vae"), first)
    assert torch.equal(shown(tiny_checkpoint / "vae"), first)
    assert len(fits) == 2


def test_a_cache_that_cannot_be_written_is_done_without(
    fits: list[object], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "stepwise").write_text("a file in place of a folder")
    for _ in range(2):
        shown(tiny_checkpoint / "vae")
    assert len(fits) == 2
