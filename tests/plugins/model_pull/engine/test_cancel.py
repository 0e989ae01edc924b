"""Cancelling ends the traffic, joins the threads, and leaves what the next call continues."""

import functools
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hostel.plugins.model_pull import RemoteFile
from hostel.plugins.model_pull._cache.layout import part_path
from hostel.plugins.model_pull._engine import ConnectionBudget, FetchProgress, Limiter, fetch, partial_of
from hostel.plugins.model_pull._engine.lock import locked
from hostel.plugins.model_pull.testing import MIB, Blob, Ending, Fault, LocalHub, Origin

Publish = Callable[[Blob | bytes], RemoteFile]
CONTENT = Blob(80 * MIB, seed=2)


def hub_sent(hub: LocalHub, count: int) -> bool:
    return hub.bytes_sent() > count


def fetching_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("hostel-")]


async def cancelled_when(hub: LocalHub, reached: Callable[[], bool], file: RemoteFile, blob: Path) -> int:
    """Fetch until `reached`, cancel, and return how many bytes the hub had sent by then."""
    sent = 0

    async def watch() -> None:
        nonlocal sent
        assert await anyio.to_thread.run_sync(lambda: hub.wait_for(reached))
        sent = hub.bytes_sent()
        tasks.cancel_scope.cancel()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await fetch(file, blob, stall=600)
    assert fetching_threads() == []
    return sent


async def test_after_cancelling_no_byte_leaves_the_server_and_every_byte_that_came_is_kept(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    file = publish(CONTENT)
    hub.fault(Fault(origin=Origin.CDN, stall_after=5 * MIB))
    four_for_ever = ConnectionBudget(clock=lambda: 0.0)
    with anyio.fail_after(120), anyio.CancelScope() as scope:

        def told(progress: FetchProgress) -> None:
            if progress.fetched == 4 * 5 * MIB:
                scope.cancel()

        await fetch(file, blob, connections=4, budget=four_for_ever, stall=600, on_progress=told)
    assert scope.cancelled_caught
    assert fetching_threads() == []
    hub.release()
    assert await anyio.to_thread.run_sync(
        lambda: hub.wait_for(lambda: all(one.finished for one in hub.exchanges()))
    )

    assert hub.bytes_sent(origin=Origin.CDN) == 4 * 5 * MIB
    partial = partial_of(file, blob)
    assert partial is not None
    assert partial.done == 4 * 5 * MIB


async def test_what_was_cancelled_is_continued_and_little_is_fetched_twice(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    file = publish(CONTENT)
    hub.fault(Fault(origin=Origin.CDN, bps=40 * MIB))
    for _ in range(3):
        enough = hub.bytes_sent() + 15 * MIB
        await cancelled_when(hub, functools.partial(hub_sent, hub, enough), file, blob)
    with anyio.fail_after(60):
        fetched = await fetch(file, blob)

    assert blob.read_bytes() == CONTENT.read()
    assert fetched.resumed > 0
    assert hub.bytes_sent(origin=Origin.CDN) <= CONTENT.size + 4 * 4 * MIB
    assert [path.name for path in blob.parent.iterdir()] == ["blob"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(origin=Origin.CDN, stall_after=MIB),
        Fault(origin=Origin.CDN, stall_after=0),
        Fault(origin=Origin.HUB, first_byte_after=600),
    ],
    ids=["silent body", "silent from the first byte", "silent origin"],
)
async def test_a_silent_server_does_not_delay_the_end(
    fault: Fault, hub: LocalHub, blob: Path, publish: Publish
) -> None:
    file = publish(CONTENT)
    hub.fault(fault)

    def reached() -> bool:
        return bool(hub.exchanges(origin=fault.origin)) and hub.bytes_sent() >= (fault.stall_after or 0)

    with anyio.fail_after(60):
        await cancelled_when(hub, reached, file, blob)


async def test_waiting_for_the_next_try_ends_at_once(hub: LocalHub, blob: Path, publish: Publish) -> None:
    file = publish(CONTENT)
    hub.fault(Fault(origin=Origin.CDN, status=503, retry_after=200))
    with anyio.fail_after(60):
        await cancelled_when(hub, lambda: len(hub.exchanges(origin=Origin.CDN)) > 0, file, blob)

    assert list(blob.parent.iterdir()) == []


async def test_a_limit_does_not_delay_the_end(hub: LocalHub, blob: Path, publish: Publish) -> None:
    file = publish(CONTENT)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: fetch(file, blob, limiter=Limiter(2000)))
            await anyio.to_thread.run_sync(hub.wait_until_sent, MIB)
            tasks.cancel_scope.cancel()

    assert fetching_threads() == []


async def test_a_server_that_does_not_even_connect_does_not_delay_the_end(blob: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/m.gguf"
        with anyio.fail_after(60), anyio.move_on_after(0.3) as scope:
            await fetch(RemoteFile("m.gguf", MIB, None, url), blob, connect_timeout=600)
        for sock in waiting:
            sock.close()

    assert scope.cancelled_caught
    assert list(blob.parent.iterdir()) == []


async def test_waiting_for_another_process_can_be_cancelled(blob: Path, publish: Publish) -> None:
    file = publish(CONTENT)
    async with locked(part_path(blob), on_wait=lambda: None):
        with anyio.move_on_after(0.3) as scope:
            await fetch(file, blob)
        assert (blob.parent / "blob.hostel.part.lock").exists()

    assert scope.cancelled_caught
    assert list(blob.parent.iterdir()) == []


async def test_a_call_that_is_cancelled_already_asks_for_nothing(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    file = publish(CONTENT)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await fetch(file, blob)

    assert scope.cancelled_caught
    assert hub.exchanges() == []


async def test_cancelling_when_all_is_sent_costs_hardly_a_byte_whether_the_checksum_is_behind_or_not(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    content = Blob(300 * MIB, seed=8)
    file = publish(content)
    await cancelled_when(hub, lambda: hub.bytes_sent(origin=Origin.CDN) >= content.size, file, blob)
    had_its_name = blob.exists()
    again = await fetch(file, blob, budget=ConnectionBudget(8))

    assert again.adopted is had_its_name
    assert had_its_name or again.resumed >= content.size - 16 * MIB
    assert had_its_name or again.digest == file.digest
    assert hub.bytes_sent(origin=Origin.CDN) <= content.size + 16 * MIB


async def test_an_attempt_that_brought_nothing_leaves_nothing(
    hub: LocalHub, blob: Path, publish: Publish
) -> None:
    file = publish(CONTENT)
    hub.fault(Fault(origin=Origin.CDN, before_headers=Ending.RESET))
    await cancelled_when(hub, lambda: len(hub.exchanges(origin=Origin.CDN)) > 1, file, blob)

    assert list(blob.parent.iterdir()) == []
