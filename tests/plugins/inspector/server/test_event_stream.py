"""How streams share the loop, on a clock that jumps: heartbeats, readers that never read."""

import gc
import resource
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from hostel.plugins.inspector._server import event_stream
from hostel.plugins.inspector._server.cursors import Cursors
from hostel.plugins.inspector._server.event_stream import EventStreams, Frames
from hostel.sessions import LocalBackgroundTaskHost, Progress, TaskFilter, TaskSpec

from ..program import SECONDS

ALL = TaskFilter()


@pytest.mark.virtual_time
async def test_silence_is_filled_with_comments_that_carry_nothing() -> None:
    written: list[tuple[float, bytes]] = []

    async def write(chunk: bytes) -> None:
        written.append((anyio.current_time() - start, chunk))

    async with LocalBackgroundTaskHost() as host, anyio.create_task_group() as group:
        start = anyio.current_time()
        streams = EventStreams(host, Cursors(), heartbeat=15)
        group.start_soon(streams.write_events, ALL, None, write)
        await anyio.sleep(40)
        await host.register("s", TaskSpec(id="a"))
        await anyio.sleep(20)
        group.cancel_scope.cancel()

    told = [(round(at), chunk.split(b"\n")[0].split(b":")[0]) for at, chunk in written]
    assert told == [(0, b"retry"), (15, b""), (30, b""), (40, b"id"), (55, b"")]


async def test_an_event_becomes_text_once_however_many_read_it() -> None:
    async with LocalBackgroundTaskHost() as host:
        subscription = host.subscribe()
        await host.register("s", TaskSpec(id="a"))
        event = await anext(subscription)
        frames = Frames(Cursors())

        assert frames.of(event) is frames.of(event)


async def test_texts_kept_for_other_readers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "KEPT_BYTES", 10_000)
    frames = Frames(Cursors())
    async with LocalBackgroundTaskHost() as host:
        subscription = host.subscribe()
        for number in range(100):
            await host.register("s", TaskSpec(id=f"t{number}", label="x" * 200))
            frames.of(await anext(subscription))

    assert sum(map(len, frames._kept.values())) == frames._size <= 10_000


async def test_a_long_backlog_goes_out_in_chunks() -> None:
    chunks: list[bytes] = []

    async def write(chunk: bytes) -> None:
        chunks.append(chunk)

    async with LocalBackgroundTaskHost() as host, anyio.create_task_group() as group:
        streams = EventStreams(host, Cursors())
        cursor = streams._cursors.write(0)
        for number in range(1_000):
            await host.register("s", TaskSpec(id=f"t{number}", label="x" * 1_000))
        group.start_soon(streams.write_events, ALL, cursor, write)
        with anyio.fail_after(SECONDS):
            while b"".join(chunks).count(b"\nevent: registered") < 1_000:
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()

    assert len(chunks) > 10
    assert max(map(len, chunks)) < event_stream.CHUNK_BYTES + 3_000


@pytest.mark.virtual_time
async def test_what_happens_while_streams_pause_goes_out_in_one() -> None:
    chunks: list[bytes] = []

    async def write(chunk: bytes) -> None:
        chunks.append(chunk)

    async with LocalBackgroundTaskHost() as host, anyio.create_task_group() as group:
        streams = EventStreams(host, Cursors())
        streams._turns._pace.work(10, 10)
        group.start_soon(streams.write_events, ALL, None, write)
        await anyio.wait_all_tasks_blocked()
        for number in range(50):
            await host.register("s", TaskSpec(id=f"t{number}"))
            await anyio.wait_all_tasks_blocked()
        before = len(chunks)
        await anyio.sleep(60)
        group.cancel_scope.cancel()

    assert (before, chunks[before].count(b"\nevent: registered")) == (1, 50)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell its memory use")
async def test_a_reader_that_never_reads_costs_no_memory_and_disturbs_nobody() -> None:
    read = 0

    async def never(_: bytes) -> None:
        await anyio.sleep_forever()

    async def count(chunk: bytes) -> None:
        nonlocal read
        read += chunk.count(b"\nevent: ")

    async with LocalBackgroundTaskHost(retain_events=1_000) as host, anyio.create_task_group() as group:
        streams = EventStreams(host, Cursors())
        for write in (never, count):
            group.start_soon(streams.write_events, ALL, None, write)
        await host.register("s", TaskSpec(id="a"))
        await anyio.wait_all_tasks_blocked()
        before = await publish(host, 20_000)
        after = await publish(host, 100_000)
        group.cancel_scope.cancel()

    assert after - before < 8 * 1024 * 1024
    assert read > 1_000


async def publish(host: LocalBackgroundTaskHost, count: int) -> int:
    """Publish progress and return the bytes in use afterwards."""
    for number in range(count):
        await host.update("a", progress=Progress(f"step {number}", number, count))
        if number % 50 == 0:
            await anyio.lowlevel.checkpoint()
    gc.collect()
    return resident()


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
