from pathlib import Path

import pytest
import torch

from engine.errors import EngineError
from engine.service import devices


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_takes_the_best_device(cuda: None) -> None:
    assert devices.pick_device("auto") == "cuda"
    assert devices.pick_device("cpu") == "cpu"


@pytest.mark.parametrize("name", ["cuda", "mps", "tpu", ""])
def test_a_device_that_is_not_there_is_named(bare: None, name: str) -> None:
    assert devices.pick_device("auto") == "cpu"
    with pytest.raises(EngineError, match=rf"{name!r} cannot be used.*finds cpu here"):
        devices.pick_device(name)


@pytest.mark.parametrize(
    ("name", "device", "dtype"),
    [
        ("auto", "cpu", torch.float32),
        ("auto", "cuda", torch.float16),
        ("auto", "mps", torch.float16),
        ("bfloat16", "cpu", torch.bfloat16),
        ("float32", "cuda", torch.float32),
    ],
)
def test_dtypes(name: str, device: str, dtype: torch.dtype) -> None:
    assert devices.pick_dtype(name, device) == dtype


def test_an_unknown_dtype_is_named() -> None:
    with pytest.raises(EngineError, match="'int8' is unknown"):
        devices.pick_dtype("int8", "cpu")


@pytest.mark.parametrize(
    ("quota", "cpus"), [("100000 100000", 1), ("1 100000", 1), ("max 1", None)]
)
def test_a_containers_limits_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str, cpus: int | None
) -> None:
    monkeypatch.setattr(devices, "CGROUP", tmp_path)
    free = devices.usable_cpus(), devices.memory_budget("cpu")
    (tmp_path / "cpu.max").write_text(quota + "\n")
    (tmp_path / "memory.max").write_text("1000000\n" if cpus else "max\n")
    limited = (cpus, 500_000) if cpus else free
    assert (devices.usable_cpus(), devices.memory_budget("cpu")) == limited
