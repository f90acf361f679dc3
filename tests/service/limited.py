"""A worker whose process can be given a limit of memory, which its allocator then runs into."""

import resource
from pathlib import Path
from typing import Any

from engine.service import ProcessWorker
from engine.service.runner import EngineRunner
from engine.service.worker import main

__all__ = ["LimitedWorker"]


class LimitedRunner(EngineRunner):
    def query(self, name: str, **arguments: Any) -> Any:
        """limit, with more: bytes that the process may still take beside those that it has."""
        if name != "limit":
            return super().query(name, **arguments)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + arguments["more"]
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        return most


class LimitedWorker(ProcessWorker):
    module = "tests.service.limited"


if __name__ == "__main__":
    main(LimitedRunner)
