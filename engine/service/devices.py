"""Which device and dtype to work in, and how much of the machine is ours."""

import gc
import os
from pathlib import Path

import torch

from engine.errors import EngineError

__all__ = ["free_memory", "memory_budget", "pick_device", "pick_dtype", "usable_cpus"]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
CGROUP = Path("/sys/fs/cgroup")


def pick_device(name: str) -> str:
    """cuda, mps or cpu; `auto` is the first of them that is there. EngineError otherwise."""
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    found = [device for device, present in there.items() if present]
    if name == "auto":
        return found[0]
    if name not in found:
        raise EngineError(
            f"device {name!r} cannot be used: torch {torch.__version__} finds {', '.join(found)} "
            "here. Choose one of them, or auto."
        )
    return name


def pick_dtype(name: str, device: str) -> torch.dtype:
    """`auto` is float32 on the CPU and float16 elsewhere. EngineError for an unknown name."""
    if name == "auto":
        return torch.float32 if device == "cpu" else torch.float16
    if name not in DTYPES:
        raise EngineError(f"dtype {name!r} is unknown. Choose one of auto, {', '.join(DTYPES)}.")
    return DTYPES[name]


def usable_cpus() -> int:
    """CPUs that this process may use: its affinity, and the quota of its container.

    torch counts the machine's; 64 threads on a quota of 2 wait for each other most of the time.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota, _, period = _read(CGROUP / "cpu.max").partition(" ")
    if quota.isdigit():
        count = min(count or 1, -(-int(quota) // int(period)))
    return count or 1


def memory_budget(device: str) -> int:
    """Bytes that models may keep on `device`: three quarters of a GPU, half of the main memory."""
    if device == "cuda":
        return torch.cuda.get_device_properties(0).total_memory * 3 // 4
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _read(CGROUP / "memory.max")
    return min(total, int(limit)) // 2 if limit.isdigit() else total // 2


def free_memory(device: str) -> None:
    """Give back what nothing refers to any more, and what torch keeps of it for later."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def _read(path: Path) -> str:
    """Contents without the line's end; nothing where there is no such file."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
