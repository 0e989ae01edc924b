"""What a task leaves, when it is large: kept once, told by its size, and whole for whoever asks for it."""

from collections.abc import AsyncIterator

import anyio
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    EventType,
    JsonValue,
    TaskFilter,
    TaskOutcome,
    TaskRecord,
    TaskSpec,
    TaskState,
)

from .steering import take_until

EVERY_STATE = TaskFilter(include_terminal=True)
LIMIT = 64 * 1024
LARGE: list[JsonValue] = [
    "x" * LIMIT,
    "é" * (LIMIT // 6 + 1),
    {"rows": [[number, str(number)] for number in range(10_000)]},
    list(range(20_000)),
]
each_large = pytest.mark.parametrize("value", LARGE, ids=["text", "escapes", "object", "list"])


async def returning(value: JsonValue) -> JsonValue:
    return value


async def seen_by_others(host: BackgroundTaskHost) -> AsyncIterator[TaskRecord | None]:
    """Yield what lists, pages and events have of the only task."""
    for record in await host.list(EVERY_STATE):
        yield record
    for record in (await host.page(EVERY_STATE)).records:
        yield record
    for record in await host.list_managed("s"):
        yield record
    events = host.subscribe(after=0)
    told = await take_until(events, lambda event: event.type is EventType.COMPLETED)
    yield told[-1].record


@each_large
async def test_a_large_result_is_told_by_its_size_and_is_whole_for_whoever_asks(
    host: BackgroundTaskHost, value: JsonValue
) -> None:
    handle = await host.spawn_managed("s", TaskSpec(id="t", idempotency_key="k"), returning, value)
    assert await handle.wait() == value

    results = [record.result async for record in seen_by_others(host) if record is not None]

    assert len(results) == 4
    assert {(result.value, result.summary) for result in results if result} == {(None, None)}
    sizes = {result.size for result in results if result}
    assert len(sizes) == 1
    assert LIMIT < min(size or 0 for size in sizes) < 3 * LIMIT
    for whole in (await host.get("t"), await host.get_managed("s", "t"), await host.wait("t")):
        assert whole is not None
        assert whole.result == TaskOutcome(None, value, *sizes)
    again = await host.spawn_managed("s", TaskSpec(idempotency_key="k"), returning, None)
    assert await again.wait() == value


async def test_a_reported_result_may_be_large_as_well(host: BackgroundTaskHost) -> None:
    await host.register("s", TaskSpec(id="t"))
    record = await host.complete("t", summary="much", value=LARGE[0])
    whole = await host.get("t")

    assert record.result == TaskOutcome("much", None, LIMIT + 2)
    assert whole is not None
    assert whole.result == TaskOutcome("much", LARGE[0], LIMIT + 2)


@pytest.mark.parametrize(
    "value", ["x" * (LIMIT - 2), [1, "two", None], "small", 7], ids=["64 KiB", "list", "text", "number"]
)
async def test_a_result_of_64_kib_and_less_is_in_its_record(
    host: BackgroundTaskHost, value: JsonValue
) -> None:
    await host.spawn_managed("s", TaskSpec(id="t"), returning, value)
    await host.wait("t")

    async for record in seen_by_others(host):
        assert record is not None
        assert record.result == TaskOutcome(None, value)
    assert await host.get("t") == (await host.list(EVERY_STATE))[0]


async def test_a_large_result_goes_with_its_task(host: BackgroundTaskHost) -> None:
    for task_id in ("pruned", "replaced"):
        await host.register("s", TaskSpec(id=task_id))
        await host.complete(task_id, value=LARGE[0])
    await host.register("s", TaskSpec(id="replaced"))
    assert await host.prune() == 1

    assert await host.get("pruned") is None
    record = await host.get("replaced")
    assert record is not None
    assert (record.state, record.result) == (TaskState.PENDING, None)


async def test_large_results_of_many_tasks_are_not_mixed_up(host: BackgroundTaskHost) -> None:
    async def one(number: int) -> None:
        await host.register("s", TaskSpec(id=f"t{number}"))
        await host.complete(f"t{number}", value=str(number % 10) * LIMIT)

    async with anyio.create_task_group() as all:
        for number in range(20):
            all.start_soon(one, number)

    for number in range(20):
        record = await host.get(f"t{number}")
        assert record is not None
        assert record.result is not None
        assert record.result.value == str(number % 10) * LIMIT
