"""CAR keeps a lock per model for ever, because dropping one opens a race; here it is neither."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from hostel.plugins.model_pull._queue.keyed_lock import KeyedLock


async def test_one_key_is_exclusive_and_another_is_free() -> None:
    locks = KeyedLock[str]()
    entered: list[str] = []

    async def enter(key: str) -> None:
        async with locks.hold(key):
            entered.append(key)

    async with anyio.create_task_group() as group, locks.hold("a"):
        group.start_soon(enter, "a")
        group.start_soon(enter, "b")
        await anyio.wait_all_tasks_blocked()
        assert entered == ["b"]

    assert entered == ["b", "a"]


async def test_no_lock_is_kept_once_nobody_needs_it() -> None:
    locks = KeyedLock[int]()
    for key in range(100):
        async with locks.hold(key):
            assert len(locks) == 1
    with pytest.raises(RuntimeError, match="inside"):
        async with locks.hold(1):
            raise RuntimeError("inside")

    assert len(locks) == 0


async def test_there_are_never_two_locks_for_one_key() -> None:
    locks = KeyedLock[str]()
    inside = most = 0

    async def enter() -> None:
        nonlocal inside, most
        for _ in range(20):
            async with locks.hold("key"):
                inside += 1
                most = max(most, inside)
                await checkpoint()
                inside -= 1
            await checkpoint()

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(enter)

    assert most == 1
    assert len(locks) == 0


async def test_a_waiter_that_gives_up_leaves_no_trace() -> None:
    locks = KeyedLock[str]()
    async with locks.hold("a"), anyio.create_task_group() as group:

        async def wait() -> None:
            async with locks.hold("a"):
                raise AssertionError("never gets here")

        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()

    assert len(locks) == 0
