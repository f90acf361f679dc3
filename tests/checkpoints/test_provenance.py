"""Which weights a checkpoint has."""

import hashlib
import shutil
from pathlib import Path

import pytest

from engine.checkpoints.provenance import DOWNLOADED, Provenance
from engine.errors import CheckpointError

UNET = "unet/diffusion_pytorch_model.safetensors"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def model(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_checkpoint, tmp_path / "model")


def test_every_file_of_weights_is_hashed_and_no_other(model: Path) -> None:
    (model / "other.safetensors").write_bytes(b"of no component")
    told = Provenance().of(model)
    assert set(told) == {"weights"}
    assert set(told["weights"]) >= {UNET, "text_encoder/model.safetensors"}
    assert "other.safetensors" not in told["weights"]
    for name, value in told["weights"].items():
        assert value == hashlib.sha256((model / name).read_bytes()).hexdigest()


def test_a_file_is_read_again_only_when_it_has_changed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provenance, read = Provenance(), []
    digest = hashlib.file_digest

    def noted(file: object, name: str) -> object:
        read.append(Path(file.name))  # type: ignore[attr-defined]
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    first = provenance.of(model)
    count = len(read)
    assert provenance.of(model) == first and len(read) == count > 1
    with (model / UNET).open("ab") as file:
        file.write(b"\0")
    assert provenance.of(model)["weights"][UNET] != first["weights"][UNET]
    assert read[count:] == [model / UNET]


def test_the_revision_is_that_of_the_download(model: Path, tmp_path: Path) -> None:
    note = model / DOWNLOADED
    note.parent.mkdir(parents=True)
    note.write_text(f"{COMMIT}\nan-etag\n1.0\n")
    assert Provenance().of(model)["revision"] == COMMIT
    note.write_bytes(b"\xff" * 100)
    assert "revision" not in Provenance().of(model)
    cached = tmp_path / "snapshots" / COMMIT
    cached.parent.mkdir()
    model.rename(cached)
    assert Provenance().of(cached)["revision"] == COMMIT


def test_what_is_no_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        Provenance().of(tmp_path)
