"""How long runs take here."""

import statistics
from collections import deque

from engine.pipelines.request import Request

__all__ = ["Pace"]

RECENT = 8
MODELS = 64


class Pace:
    """Learns from the runs that ended how long the next ones will take."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[object, ...], deque[float]] = {}

    def learn(self, request: Request, images: int, seconds: float) -> None:
        """Note that a run took so long for so many images."""
        for key in _keys(request):
            known = self._seconds.pop(key, deque(maxlen=RECENT))
            known.append(seconds / (images * request.executed))
            self._seconds[key] = known  # the latest last
        while len(self._seconds) > MODELS:
            del self._seconds[next(iter(self._seconds))]

    def estimate(self, request: Request) -> float | None:
        """Seconds that a run will take, by the runs most like it; None before the first."""
        for key in _keys(request):
            if key in self._seconds:
                each = statistics.median(self._seconds[key])
                return each * request.count * request.executed
        return None


def _keys(request: Request) -> list[tuple[object, ...]]:
    """From what a run is most like to what it is like at all."""
    model = (request.model, request.task)
    return [(*model, request.width, request.height, request.batch_size), model, ()]
