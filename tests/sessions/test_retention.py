"""Memory: bounded in bytes over all sessions, and given back by pruning."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.sessions import LocalBackgroundTaskHost, TaskFilter, TaskSpec
from hostel.sessions._retention import Shares

EVERY_STATE = TaskFilter(include_terminal=True)
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def memory() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def finish(host: LocalBackgroundTaskHost, session_id: str, size: int) -> str:
    record = await host.register(session_id, TaskSpec())
    await host.complete(record.id, value="x" * size)
    return record.id


@pytest.mark.parametrize("size", [1_000, 30_000, 200_000])
async def test_memory_is_flat_over_many_sessions_with_large_results(size: int) -> None:
    async with LocalBackgroundTaskHost(retain_bytes=4 * MIB) as host:
        before = memory()
        for number in range(1_000):
            last = await finish(host, f"s{number}", size)

        assert memory() - before < 3 * 4 * MIB
        kept = await host.get(last)
        assert kept is not None
        assert kept.result is not None
        assert kept.result.value == "x" * size


async def test_the_session_that_takes_most_gives_way() -> None:
    async with LocalBackgroundTaskHost(retain_bytes=MIB) as host:
        small = [await finish(host, f"small{number}", 100) for number in range(10)]
        for _ in range(20):
            await finish(host, "large", 200_000)

        for task_id in small:
            assert await host.get(task_id) is not None
        assert 1 <= len(await host.list_managed("large")) <= 5


@pytest.mark.parametrize("size", [30_000, 500_000])
async def test_pruning_gives_memory_back(size: int) -> None:
    async with LocalBackgroundTaskHost(retain_bytes=1024 * MIB) as host:
        before = memory()
        for _ in range(60):
            await finish(host, "s", size)
        full = memory()
        assert full - before > 60 * size

        assert await host.prune() == 60

        assert memory() - before < (full - before) / 10
        assert [event.type for event in await host.subscribe(after=0).read(500)][:2] == [
            "registered",
            "completed",
        ]


async def test_a_result_larger_than_all_that_may_be_kept_reaches_whoever_waits() -> None:
    async with LocalBackgroundTaskHost(retain_bytes=100_000) as host:

        async def body() -> str:
            return "x" * 200_000

        handle = await host.spawn_managed("s", TaskSpec(), body)

        assert await handle.wait() == "x" * 200_000
        assert await host.list(EVERY_STATE) == []


@pytest.mark.parametrize("name", ["retain_events", "retain_terminal", "retain_bytes", "stop_grace"])
def test_nothing_is_retained_less_than_not_at_all(name: str) -> None:
    with pytest.raises(ValueError, match="can be negative"):
        LocalBackgroundTaskHost(**{name: -1})  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-50, 1000)), max_size=60))
def test_the_largest_is_at_most_twice_as_large_as_the_one_named(changes: list[tuple[str, int]]) -> None:
    shares, sizes = Shares(1_000), dict.fromkeys("abcd", 0)
    for key, change in changes:
        change = max(change, -sizes[key])
        shares.add(key, change)
        sizes[key] += change
        assert shares.exceeded == (sum(sizes.values()) > 1_000)
        if any(sizes.values()):
            assert sizes[shares.largest()] * 2 > max(sizes.values())
