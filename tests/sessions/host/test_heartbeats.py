"""The watch over heartbeats by itself, on a clock that jumps."""

import anyio
import pytest

from hostel.sessions import TaskState
from hostel.sessions._host.heartbeats import Heartbeats
from hostel.sessions._tasks.entry import Entry, External

from ..strategies import record_in

pytestmark = pytest.mark.virtual_time


def promising(task_id: str, ttl: float | None) -> Entry:
    entry = Entry(record_in(TaskState.RUNNING, id=task_id))
    entry.external = External(ttl)
    return entry


async def watch(
    promises: dict[str, float | None], seconds: float, beats: dict[float, str]
) -> dict[str, float]:
    """Return when each task fell silent; at the moments in `beats` a task gives a sign of life."""
    silent: dict[str, float] = {}
    start = anyio.current_time()
    entries = {name: promising(name, ttl) for name, ttl in promises.items()}
    heartbeats = Heartbeats(lambda entry: silent.update({entry.record.id: anyio.current_time() - start}))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heartbeats.watch)
        for entry in entries.values():
            heartbeats.beat(entry)
        for moment, name in sorted(beats.items()):
            await anyio.sleep_until(start + moment)
            heartbeats.beat(entries[name])
        await anyio.sleep_until(start + seconds)
        heartbeats.close()
    return silent


async def test_each_falls_silent_after_its_own_time() -> None:
    silent = await watch({"a": 10, "b": 3, "c": 7, "never": None}, 20, {})

    assert silent == pytest.approx({"b": 3, "c": 7, "a": 10})
    assert list(silent) == ["b", "c", "a"]


async def test_a_sign_of_life_counts_from_its_own_moment() -> None:
    assert await watch({"a": 10}, 60, {9: "a", 18: "a"}) == pytest.approx({"a": 28})


async def test_nothing_falls_silent_before_its_time() -> None:
    assert await watch({"a": 10}, 9.99, {}) == {}


async def test_one_that_promised_nothing_is_not_watched() -> None:
    heartbeats = Heartbeats(lambda entry: pytest.fail(entry.record.id))
    heartbeats.beat(promising("a", None))

    assert heartbeats._due == []


async def test_a_thousand_signs_of_life_take_one_place() -> None:
    heartbeats = Heartbeats(lambda entry: pytest.fail(entry.record.id))
    entry = promising("a", 10)
    for _ in range(1000):
        heartbeats.beat(entry)

    assert len(heartbeats._due) == 1


async def test_the_watch_ends_when_it_is_closed_even_if_nobody_promised_anything() -> None:
    assert await watch({}, 1, {}) == {}
