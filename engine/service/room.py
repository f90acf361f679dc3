"""What fits into the memory of a device, as far as it was seen, and what to do when it is full."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self, TypeVar

from engine.cache import ComponentCache
from engine.checkpoints.catalog import ModelInfo
from engine.errors import OutOfMemory
from engine.memory import is_out_of_memory
from engine.pipelines.request import Request
from engine.service.devices import free_memory
from engine.service.events import Event, Started
from engine.service.messages import Picture

__all__ = ["Batch", "Room"]

log = logging.getLogger(__name__)

T = TypeVar("T")

OTHERS = "close other programs that use this memory"


@dataclass(frozen=True)
class Batch:
    """Images that are drawn at once. width, height: in pixels."""

    model: str
    task: str
    width: int
    height: int
    count: int

    @classmethod
    def of(cls, request: Request, model: ModelInfo, count: int) -> Self:
        """`count` images of a run."""
        width, height = request.width or model.width, request.height or model.height
        return cls(request.model, request.task, width, height, count)

    @property
    def pixels(self) -> int:
        return self.width * self.height * self.count

    def __str__(self) -> str:
        many = "one at a time" if self.count == 1 else f"{self.count} at once"
        return f"{self.width} × {self.height}, {many}"


class Room:
    """The memory of a device. Knows of each model and task the largest batch that was finished."""

    def __init__(self, device: str, cache: ComponentCache) -> None:
        self._device = device
        self._cache = cache
        self._most: dict[tuple[str, str], Batch] = {}

    def hold(
        self, request: Request, model: ModelInfo, attempt: Callable[[], Iterator[Event | Picture]]
    ) -> Iterator[Event | Picture]:
        """Yield what an attempt at a run yields.

        Where the memory runs out, models that the run does not need are given up. If it ran out
        before Started there is then a second attempt. Raises OutOfMemory.
        """
        for _ in range(2):
            batch: Batch | None = None
            try:
                for event in attempt():
                    if isinstance(event, Started):
                        batch = Batch.of(request, model, event.count)
                    elif isinstance(event, Picture) and batch:
                        self._note(batch)
                    yield event
                return
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                log.warning("Out of memory: %s", str(error))  # a record would keep the error
            # Only here: inside `except` the traceback still holds the run's tensors.
            freed = self._cache.shrink()
            free_memory(self._device)
            if batch:
                raise self._too_small_for(batch, freed)
            if not freed:
                break
        raise self._too_small_to_load(model)

    def ask(self, answer: Callable[[], T]) -> T:
        """The answer to a query, for which nothing is given up: a run may go on beside it.

        Raises OutOfMemory.
        """
        try:
            return answer()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            log.warning("Out of memory: %s", str(error))
        free_memory(self._device)  # as in `hold`
        raise OutOfMemory(
            f"Out of memory ({self._device}): what was asked for does not fit beside the models in "
            f"memory. Choose a smaller model, or {OTHERS}, then try again."
        )

    def _note(self, batch: Batch) -> None:
        known = self._known(batch)
        if known is None or known.pixels < batch.pixels:
            self._most[batch.model, batch.task] = batch

    def _too_small_for(self, batch: Batch, freed: bool) -> OutOfMemory:
        """The error for a batch that does not fit. freed: other models were given up since."""
        what = f"{batch}, does not fit with {batch.model!r}. {self._less(batch)}"
        again = " Other models were given up since: the same may fit now." if freed else ""
        return OutOfMemory(f"Out of memory ({self._device}): {what}{again}")

    def _too_small_to_load(self, model: ModelInfo) -> OutOfMemory:
        """The error for a model that does not fit, whatever is drawn with it."""
        size = f"{model.bytes / 1e6:,.0f} MB" if model.bytes >= 1e6 else f"{model.bytes:,} bytes"
        fitting = dict.fromkeys(name for name, _ in self._most)
        if model.name in fitting:
            advice = f"It has fitted here before: {OTHERS}, then try again."
        elif fitting:
            advice = f"Here have fitted: {', '.join(fitting)}. Choose such a one, or {OTHERS}."
        else:
            advice = f"Choose a smaller model, or {OTHERS}."
        what = f"the model {model.name!r}, whose files have {size}, cannot be loaded"
        return OutOfMemory(f"Out of memory ({self._device}): {what}. {advice}")

    def _known(self, batch: Batch) -> Batch | None:
        return self._most.get((batch.model, batch.task))

    def _less(self, batch: Batch) -> str:
        """What to ask for instead: what has fitted, else half as many, else smaller ones."""
        known = self._known(batch)
        if known is not None:
            if known.pixels < batch.pixels:
                return f"{known}, has fitted here: take that, or something between."
            return f"{known}, has fitted here before: {OTHERS}, then try again."
        if batch.count > 1:
            return f"Try At once {batch.count // 2} instead of {batch.count}."
        sides = batch.width, batch.height
        smaller = tuple(max(8, side * 3 // 4 // 8 * 8) for side in sides)
        if batch.task == "unconditional" or smaller == sides:  # the first draws its own size alone
            return f"Choose a smaller model, or {OTHERS}."
        return f"Try {smaller[0]} × {smaller[1]}."
