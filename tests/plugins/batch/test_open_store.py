"""The store while it is open: one poll for all who follow a batch, nothing once it is closed."""

import anyio
from anyio.lowlevel import checkpoint

from hostel.plugins.batch import Batch, SqlStorage
from hostel.plugins.batch._open_store import OpenStore
from hostel.plugins.batch.testing import ManualWorker


async def test_all_who_follow_a_batch_are_given_what_one_poll_found(
    storage: SqlStorage, worker: ManualWorker
) -> None:
    store, batch = OpenStore(storage, lambda: None), await worker.batch("a")
    given: list[Batch | None] = []

    async def follow() -> None:
        given.append(await store.next(batch.id))

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(follow)
        await checkpoint()
        polled = await store.poll()

    assert polled == [batch]
    assert [each is polled[0] for each in given] == [True, True]


async def test_a_batch_that_is_finished_is_read(storage: SqlStorage, worker: ManualWorker) -> None:
    store, batch = OpenStore(storage, lambda: None), await worker.batch("a")
    await store.cancel(batch.id)

    found = await store.next(batch.id)

    assert found is not None
    assert found.cancelled_at is not None


async def test_where_nobody_polls_each_reads(storage: SqlStorage, worker: ManualWorker) -> None:
    store, batch = OpenStore(storage, lambda: None), await worker.batch("a")

    assert await store.next(batch.id) == batch


async def test_there_is_nothing_once_the_store_is_closed(storage: SqlStorage, worker: ManualWorker) -> None:
    store, batch = OpenStore(storage, lambda: None), await worker.batch("a")
    assert await store.poll() == [batch]

    async with store.closing():
        pass

    assert (await store.get(batch.id), await store.next(batch.id), await store.poll()) == (None, None, None)
