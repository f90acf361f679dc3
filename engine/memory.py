"""When memory runs out, told by the errors of those who were to give it."""

import torch

__all__ = ["is_out_of_memory"]

WORDS = (
    *("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory"),
    "alloc_failed",
)
"""In small letters, of torch's devices and its allocator on the CPU, the system, cuBLAS, cuDNN."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, of the device or the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).casefold()
    return isinstance(error, RuntimeError | OSError) and any(words in text for words in WORDS)
