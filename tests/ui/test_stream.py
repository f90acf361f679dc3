from collections.abc import AsyncIterator

import pytest

from engine.service.events import (
    Cancelled,
    Changed,
    Event,
    Failed,
    Finished,
    Frame,
    Loading,
    Queued,
    Saved,
    Started,
    Step,
)
from ui.stream import View, fold, views

SAVED = Saved(index=0, seed=4, path="p.png", width=8, height=8)


def step(number: int, time: float, preview: bytes | None = None) -> Step:
    at = {"step": number, "total": 9, "call": number, "calls": 9}
    return Step(**at, seconds=1, rate=2.0, preview=preview, time=time)


def frame(index: int, time: float) -> Frame:
    return Frame(index=index, total=3, step=index + 1, preview=b"jpeg", time=time)


async def collect(events: list[Event], now: list[float]) -> list[View]:
    async def source() -> AsyncIterator[Event]:
        for event in events:
            yield event

    return [view async for view in views(source(), clock=lambda: now.pop(0))]


@pytest.mark.parametrize(
    ("event", "phase", "words"),
    [
        (Queued(position=1), "queued", "Waiting for the engine"),
        (Queued(position=3), "queued", "2 ahead"),
        (Loading(model="tabletop", component="text_encoder"), "loading", "tabletop: text encoder"),
        (Started(total=9, count=1), "drawing", "Drawing"),
        (step(3, 0), "drawing", "Drawing"),
        (step(9, 0), "drawing", "Finishing"),
        (frame(0, 0), "drawing", "Drawing"),
        (Changed(step=4, call=3, settings={"steps": 9}), "drawing", "Drawing"),
        (SAVED, "saving", "Saving"),
        (Finished(seconds=1), "done", "Done"),
        (Cancelled(step=3), "stopped", "Stopped"),
        (Failed(message="It broke."), "failed", "It broke."),
    ],
)
def test_every_event_has_a_view(event: Event, phase: str, words: str) -> None:
    view = fold(event, View("drawing", "Drawing"))
    assert view.phase == phase
    assert words in view.message
    assert view.running == (phase in ("queued", "loading", "drawing", "saving"))


def test_time_left_follows_the_rate() -> None:
    assert fold(step(3, 0), View()).left == 3.0
    assert View(total=9).left == 0.0


def test_calls_are_told_beside_steps_where_they_are_others() -> None:
    assert View(step=5, total=12, call=5, calls=12).place == "step 5 of 12"
    view = fold(Step(step=5, total=12, call=9, calls=23, seconds=1, rate=2.0), View())
    assert view.place == "step 5 of 12 · call 9 of 23"
    assert (view.left, view.share) == (7.0, 9 / 23)
    view = fold(Step(step=12, total=12, call=23, calls=24, seconds=1, rate=2.0), view)
    assert view.message == "Drawing", "the last step is not whole"


async def test_pictures_add_up_and_previews_are_shown_once() -> None:
    events = [step(1, 0, b"1"), SAVED, SAVED, Finished(seconds=1, loaded=("unet",))]
    shown = await collect(events, [0.0] * 4)
    assert [view.preview for view in shown] == [b"1", None, None, None]
    assert shown[-1].saved == (SAVED, SAVED)
    assert shown[-1].loaded == ("unet",)


async def test_steps_without_a_preview_come_ten_a_second_and_late_ones_not_at_all() -> None:
    events = [step(1, 10.0), step(2, 10.02), step(3, 10.03, b"3"), step(4, 10.2), step(5, 10.3)]
    shown = await collect([*events, Finished(seconds=1)], [10.0, 10.02, 10.03, 10.2, 12.0, 12.0])
    assert [view.step for view in shown] == [1, 3, 4, 5]
    assert shown[-1].phase == "done"


async def test_who_is_far_back_in_the_line_is_told_of_each_fifth_of_the_way() -> None:
    line = [Queued(position=place) for place in (100, 99, 81, 80, 68, 10, 9, 9, 8, 9, 3, 2, 1)]
    shown = await collect([*line, Finished(seconds=1)], [0.0] * 14)
    ahead = [view.message for view in shown[:-1]]
    told = [100, 81, 68, 10, 9, 8, 9, 3, 2]
    assert ahead == [f"Waiting: {p - 1} ahead of you" for p in told] + ["Waiting for the engine"]


async def test_a_start_that_becomes_known_or_moves_is_told() -> None:
    times = (0.0, 130.0, 131.0, 160.0, 161.0)
    line = [Queued(position=1, starts=starts, time=100.0) for starts in times]
    shown = await collect([*line, Finished(seconds=1)], [100.0] * 6)
    assert [view.starts for view in shown[:-1]] == [0.0, 130.0, 160.0]


async def test_the_film_grows_by_a_frame_and_comes_whole_to_a_late_watcher() -> None:
    frames = [frame(index, 10.0) for index in range(3)]
    grown = await collect(
        [Started(total=3, count=2, pictures=2), *frames, Finished(seconds=1)], [10.0] * 5
    )
    assert [len(view.film) for view in grown] == [0, 1, 2, 3, 3]
    assert grown[-1].count == 2
    late = await collect([*frames, Finished(seconds=1)], [99.0] * 4)
    assert [view.film for view in late] == [tuple(frames)]


async def test_changes_stay_and_the_trace_comes_at_the_end() -> None:
    changes = [Changed(step=n + 1, call=n, settings={"steps": 9 + n}) for n in (1, 2)]
    finished = Finished(seconds=1, trace={"x": (2.0, 1.0)})
    shown = await collect([step(1, 0, b"1"), *changes, finished], [0.0] * 4)
    assert [len(view.changes) for view in shown] == [0, 1, 2, 2]
    assert shown[-1].trace == {"x": (2.0, 1.0)}


async def test_pictures_one_after_another_are_told_apart() -> None:
    half = Step(step=2, total=4, call=2, calls=4, seconds=1.0, rate=2.0, time=10.0)
    told = Changed(step=2, call=1, settings={"steps": 4})
    second = Started(total=4, count=1, first=1, pictures=3)
    events = [Started(total=5, count=1, pictures=3), told, frame(0, 10.0), SAVED, second, half]
    views = await collect(events, [10.0] * 6)
    last = views[-1]
    assert (last.count, last.first, last.together, last.film) == (3, 1, 1, ())
    assert last.share == 0.5
    assert last.left == 3.0  # two calls of this picture, four of the next, two a second
    assert last.place == "step 2 of 4 · picture 2 of 3"
    assert last.changes == () and last.settings == {"steps": 4}
    assert len(views[2].changes) == 1


async def test_the_film_is_of_the_pictures_in_hand() -> None:
    frames = [frame(index, 10.0) for index in (0, 1, 0)]
    assert [len(view.film) for view in await collect(frames, [10.0] * 3)] == [1, 2, 1]
