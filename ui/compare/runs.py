"""The runs of a grid: put in line, ended, and watched at a pace that a page can take."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress

from engine.errors import EngineError
from engine.service import JobNotFound, QueueFull, Service, WorkerDown
from ui.compare.board import Board, Cell, failed
from ui.compare.plan import Plan

__all__ = ["paced", "stop", "submit"]


def submit(service: Service, plan: Plan, owner: str) -> Board:
    """Put a run in line for every cell, in order.

    A run that is refused leaves its reason in its cell. Raises QueueFull when not all find room,
    and WorkerDown when there is no engine; then none of them is left in line.
    """
    cells: list[Cell] = []
    for request in plan.requests:
        try:
            cells.append(Cell(service.submit(request, owner, label="compare")))
        except (QueueFull, WorkerDown):
            stop(service, [cell.job for cell in cells], owner)
            raise
        except EngineError as error:
            cells.append(failed(str(error)))
    return Board(plan, cells)


def stop(service: Service, jobs: Sequence[str], owner: str) -> None:
    """End runs: the last in line first, so that none begins while the others are ended."""
    for job in reversed(jobs):
        with suppress(JobNotFound):  # refused, or ended so long ago that it was dropped
            service.cancel(job, owner)


async def paced(changes: AsyncGenerator[None], interval: float) -> AsyncIterator[None]:
    """`changes` at most once in `interval` seconds, none later than that; the last one always."""
    wake, done = asyncio.Event(), False

    async def drain() -> None:
        nonlocal done
        try:
            async with aclosing(changes):
                async for _ in changes:
                    wake.set()
        finally:
            done = True
            wake.set()

    task = asyncio.create_task(drain())
    try:
        while not done:
            await wake.wait()
            wake.clear()
            yield
            await asyncio.sleep(interval)
        if wake.is_set():
            yield
        await task
    finally:
        task.cancel()
