"""One of the two processes of `benchmarks.speed`: loads one library's model, calls when told to.

Started by it, and told what to do by lines of JSON on standard input.
"""

import importlib
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.speed_cases import Case
from engine.models.kernels import compute_dtype

ROOF_SIDE = {"cpu": 2048, "cuda": 8192}


class Side:
    """Answers the commands, one method each."""

    def __init__(self, library: str, case: dict[str, Any], device: str, dtype: str) -> None:
        self._library = importlib.import_module(library)
        self._case = Case(**case)
        self._device, self._dtype = device, getattr(torch, dtype)

    def make(self, folder: str) -> str:
        """Write random weights; returns the folder to load."""
        return str(self._case.write_weights(self._library, Path(folder), self._dtype))

    def load(self, folder: str) -> dict[str, Any]:
        """Load the model; returns what this process runs with."""
        self._model = self._case.load(self._library, Path(folder), self._dtype, self._device)
        self._inputs = self._case.inputs(self._device, self._dtype)
        cuda = self._device == "cuda"
        return {
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "gpu": torch.cuda.get_device_name() if cuda else None,
        }

    @torch.no_grad()
    def call(self) -> float:
        """Seconds of one call, from an idle device to an idle device."""

        def run() -> None:
            self._output = self._case.call(self._model, self._inputs)

        return self._seconds(run)

    def roof(self) -> float:
        """Operations a second of a large matrix product, in the dtype that is computed in.

        Another dtype would be no roof where the processor emulates it.
        """
        side = ROOF_SIDE[self._device]
        dtype = compute_dtype(self._dtype, torch.device(self._device))
        matrix = torch.randn(side, side, device=self._device).to(dtype)
        times = [self._seconds(lambda: matrix @ matrix) for _ in range(4)]
        return 2 * side**3 / statistics.median(times[1:])

    def flops(self) -> int | None:
        """Operations of one call."""
        return self._case.count_flops(self._library)

    def end(self, path: str) -> int:
        """Write the last output; returns the most bytes of memory that were ever in use."""
        save_file({"output": self._output.float().cpu().contiguous()}, path)
        if self._device == "cuda":
            return torch.cuda.max_memory_allocated()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def _seconds(self, run: Callable[[], Any]) -> float:
        synchronize = torch.cuda.synchronize if self._device == "cuda" else lambda: None
        synchronize()
        begin = time.perf_counter()
        run()
        synchronize()
        return time.perf_counter() - begin


def main() -> None:
    """Answer each line [name, arguments] by one line, until there are no more."""
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    side = Side(**json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        name, arguments = json.loads(line)
        answers.write(json.dumps(getattr(side, name)(*arguments)) + "\n")


if __name__ == "__main__":
    main()
