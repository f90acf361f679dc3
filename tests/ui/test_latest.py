import asyncio
from collections.abc import AsyncIterator

from ui.latest import Latest


async def counted(name: str, turn: asyncio.Event) -> AsyncIterator[str]:
    yield name
    await turn.wait()
    yield name


def test_an_earlier_watcher_of_a_page_falls_silent() -> None:
    async def watch() -> dict[str, list[str]]:
        latest, turn = Latest(), asyncio.Event()
        heard: dict[str, list[str]] = {"first": [], "second": [], "other": []}

        async def listen(page: str, name: str) -> None:
            async for update in latest.of(page, counted(name, turn)):
                heard[name].append(update)

        tasks = [asyncio.create_task(listen("page", "first"))]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(listen("page", "second"))]
        tasks += [asyncio.create_task(listen("another", "other"))]
        await asyncio.sleep(0)
        turn.set()
        await asyncio.gather(*tasks)
        assert not latest._latest
        return heard

    heard = asyncio.run(asyncio.wait_for(watch(), 30))
    assert {name: len(updates) for name, updates in heard.items()} == {
        "first": 1,
        "second": 2,
        "other": 2,
    }
