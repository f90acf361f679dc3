"""What happens when many use the page at once: a crowd, and then a flood.

A crowd of sessions that draw again and again, each for an owner of its own, and of others that have
the page open; then a flood of submissions by sessions that nobody is behind, after which somebody
opens the page and wants a picture. The page runs in a process of its own, over an engine whose
steps take 50 ms, and is spoken to as browsers do, but for the files of the frontend. Exit status 1
if anything but a full queue was met, or if the last visitor got no picture. Linux only. Run it from
the root of the repository:

    python -m benchmarks.crowd
    python -m benchmarks.crowd --active 5 --idle 20 --seconds 10 --flood 200
"""

import argparse
import asyncio
import json
import os
import platform
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.visitor import JOIN, LIMIT, Page, Shown, Trouble, Visitor, client

__all__ = ["Flood", "Server", "Tally", "crowd", "flood", "percentile", "serve"]

ROOT = Path(__file__).resolve().parent.parent
STEPS = 4
SPREAD = 1 / 6
"""Part of the time within which the first runs are asked for: people do not click at once."""
AT_ONCE = 64
"""Submissions of a flood that are on their way."""
OPENING = 16
"""Visitors who open the page at once."""
AIMS = {"submit": 0.2, "preview": 1.0}
"""Seconds that 95 of 100 are to stay below."""


@dataclass
class Server:
    """The page under load."""

    url: str
    page: Page
    process: asyncio.subprocess.Process

    async def figures(self) -> dict[str, Any]:
        """As `benchmarks.crowd_server` prints."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(b"\n")
        return json.loads(await self.process.stdout.readline())


@dataclass
class Tally:
    """What a crowd met. previews: seconds from the start of a run to its first picture."""

    sent: int = 0
    submits: list[float] = field(default_factory=list)
    previews: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Flood:
    """answers: to the submissions, by kind. refused: how often the last visitor was told that the
    queue is full; submit, picture: seconds from the first try of that one; None if it got none."""

    answers: Counter[str]
    seconds: float
    refused: int
    submit: float | None
    picture: float | None


@asynccontextmanager
async def serve() -> AsyncIterator[Server]:
    """The page, in a process that ends with this."""
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.crowd_server"),
            cwd=ROOT,
            env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": folder},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**26,  # bytes of a line
        )
        assert process.stdin and process.stdout
        try:
            url = (await process.stdout.readline()).decode().strip()
            config = httpx.get(url + "config", timeout=LIMIT).raise_for_status().json()
            yield Server(url, Page.of(config), process)
        finally:
            process.stdin.close()
            await process.wait()


async def crowd(server: Server, active: int, idle: int, seconds: float) -> Tally:
    """Have so many sessions draw for so many seconds, while others are open."""
    tally, runs = Tally(), dict[str, Shown]()
    async with AsyncExitStack() as stack:
        visitors = [
            await stack.enter_async_context(Visitor(server.url, server.page))
            for _ in range(active + idle)
        ]
        await _open(visitors, tally)
        before, began = await server.figures(), time.monotonic()
        drawing = visitors[:active]
        await asyncio.gather(
            *(_draw(one, f"visitor {i}", began + seconds, tally, runs)
              for i, one in enumerate(drawing))
        )  # fmt: skip
        after, took = await server.figures(), time.monotonic() - began
    tally.submits = [shown.submit for shown in runs.values()]
    tally.previews = [run.preview - after["started"][prompt] for prompt, run in runs.items()]
    cpu = after["cpu"] - before["cpu"]
    print(
        f"server: {cpu / took:.0%} of a core, {1000 * cpu / max(len(runs), 1):.0f} ms a run",
        end=", ",
    )
    print(f"{before['rss'] / 1e6:.0f} MB at the start, {after['rss'] / 1e6:.0f} MB at the end")
    return tally


async def _open(visitors: Sequence[Visitor], tally: Tally) -> None:
    turn = asyncio.Semaphore(OPENING)

    async def enter(visitor: Visitor) -> None:
        async with turn:
            try:
                await visitor.open()
            except (Trouble, httpx.HTTPError) as error:
                tally.errors[f"opening: {error or type(error).__name__}"] += 1

    began = time.monotonic()
    await asyncio.gather(*map(enter, visitors))
    print(f"{len(visitors)} pages opened in {time.monotonic() - began:.1f} s, {OPENING} at a time")


async def _draw(
    visitor: Visitor, name: str, end: float, tally: Tally, runs: dict[str, Shown]
) -> None:
    """Draw one picture after another, from a moment of one's own on."""
    await asyncio.sleep(random.uniform(0, SPREAD * (end - time.monotonic())))
    number = 0
    while time.monotonic() < end:
        prompt, number = f"{name}, run {number}", number + 1
        tally.sent += 1
        try:
            runs[prompt] = await visitor.generate(Prompt=prompt, Steps=STEPS)
        except (Trouble, httpx.HTTPError) as error:
            tally.errors[str(error) or type(error).__name__] += 1
            await asyncio.sleep(1)


async def flood(server: Server, count: int) -> Flood:
    """Submit so many runs, each from a session of its own that nobody is behind; then draw one."""
    page, numbers, answers = server.page, iter(range(count)), Counter[str]()

    async def pour(http: httpx.AsyncClient) -> None:
        for number in numbers:
            data = page.values(page.click, {}, {"Prompt": f"flood {number}", "Steps": STEPS})
            asked = {"session_hash": secrets.token_hex(6), "fn_index": page.click, "data": data}
            try:
                answer = await http.post(JOIN, json=asked)
            except httpx.HTTPError as error:
                answers[type(error).__name__] += 1
                continue
            full = answer.status_code == 503 and "Queue is full" in answer.text
            kind = "full" if full else f"status {answer.status_code}"
            answers["accepted" if answer.status_code == 200 else kind] += 1

    began = time.monotonic()
    async with client(server.url) as http:
        await asyncio.gather(*(pour(http) for _ in range(AT_ONCE)))
    seconds = time.monotonic() - began
    return Flood(answers, seconds, *await _serve_one(server))


async def _serve_one(server: Server) -> tuple[int, float | None, float | None]:
    """A visitor who comes now and asks again each second while the queue is full."""
    began, refused = time.monotonic(), 0
    async with Visitor(server.url, server.page) as visitor:
        while time.monotonic() - began < LIMIT:
            try:
                if not refused:
                    await visitor.open()
                tried = time.monotonic() - began
                shown = await visitor.generate(Prompt="the last visitor", Steps=STEPS)
                if (await visitor.fetch(shown.picture)).startswith(b"\x89PNG"):
                    return refused, tried + shown.submit, time.monotonic() - began
            except (Trouble, httpx.HTTPError) as error:
                if str(error) != "full":
                    print(f"the last visitor met: {error or type(error).__name__}")
                    break
            refused += 1
            await asyncio.sleep(1)
    return refused, None, None


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so much of all lies below, or NaN without any."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def report_crowd(tally: Tally) -> bool:
    """Print it; whether nothing went wrong."""
    print(f"submissions: {tally.sent}, finished: {len(tally.submits)}, ", end="")
    print(f"errors: {dict(tally.errors) or 'none'}")
    for name, values in (("submit", tally.submits), ("preview", tally.previews)):
        half, most = percentile(values, 0.5), percentile(values, 0.95)
        print(f"{name}: p50 {half * 1000:.0f} ms, p95 {most * 1000:.0f} ms", end=" ")
        print(f"(aim {AIMS[name] * 1000:.0f} ms)")
    return bool(tally.submits) and set(tally.errors) <= {"full"}


def report_flood(result: Flood, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Print it; whether nothing went wrong."""
    count, answers = result.answers.total(), dict(result.answers)
    print(f"flood: {count} submissions in {result.seconds:.1f} s: {answers}")
    taken, full = (after[name] - before[name] for name in ("taken", "full"))
    print(f"of those accepted, {taken} came into the line and {full} were told that it is full")
    print(f"memory: {before['rss'] / 1e6:.0f} MB before, {after['rss'] / 1e6:.0f} MB after")
    if result.submit is None or result.picture is None:
        print("the last visitor got no picture")
        return False
    print(f"the last visitor was told {result.refused} times that it is full, ", end="")
    print(f"was in line after {result.submit:.1f} s and had a picture after {result.picture:.1f} s")
    return set(answers) <= {"accepted", "full"}


async def measure(options: argparse.Namespace) -> bool:
    """Whether all went well."""
    async with serve() as server:
        well = report_crowd(await crowd(server, options.active, options.idle, options.seconds))
        if options.flood:
            before = await server.figures()
            result = await flood(server, options.flood)
            well &= report_flood(result, before, await server.figures())
    return well


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--active", type=int, default=50, help="sessions that draw (default 50)")
    parser.add_argument("--idle", type=int, default=500, help="others (default 500)")
    parser.add_argument("--seconds", type=float, default=60, help="of the crowd (default 60)")
    parser.add_argument("--flood", type=int, default=10_000, help="submissions (default 10,000)")
    print(f"{platform.platform()}, Python {platform.python_version()}, ", end="")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    sys.exit(not asyncio.run(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
