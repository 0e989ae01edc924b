"""Transfers shared by name of their blob, over a network whose steps the test decides."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from hostel.plugins.model_pull import NotFound, RemoteFile
from hostel.plugins.model_pull._cache.layout import part_path
from hostel.plugins.model_pull._engine import Fetched, FetchPhase, FetchProgress, Limiter, Pace
from hostel.plugins.model_pull._engine.lock import locked_now
from hostel.plugins.model_pull._queue.shared_transfers import Listener, Network, Transfers

FILE = RemoteFile("m", 10, None, "https://h/m")


class Steps(Network):
    """Fetches when told to, and counts how many do at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = self.writing = self.most = 0
        self.go = anyio.Event()
        self.linger = anyio.Event()
        self.error: Exception | None = None
        self.tell: Listener | None = None
        self.pace: Pace | None = None

    async def fetch(
        self, file: RemoteFile, blob: Path, *, on_progress: Listener, limiter: Pace | None = None
    ) -> Fetched:
        self.begun += 1
        self.writing += 1
        self.most = max(self.most, self.writing)
        self.tell, self.pace = on_progress, limiter
        try:
            await self.go.wait()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.linger.wait()
            raise
        finally:
            self.writing -= 1
        if self.error is not None:
            raise self.error
        return Fetched(blob, 10)


@asynccontextmanager
async def sharing(network: Network) -> AsyncIterator[tuple[Transfers, TaskGroup]]:
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            yield Transfers(network, lambda func, *args: start(group, func, *args)), group


def start(group: TaskGroup, func: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
    group.start_soon(partial(func, *args))


def ignore(news: FetchProgress) -> None:
    pass


async def test_one_blob_has_one_transfer_however_many_want_it(tmp_path: Path) -> None:
    network = Steps()
    got: list[Fetched] = []

    async def want(transfers: Transfers) -> None:
        got.append(await transfers.fetch(FILE, tmp_path / "b", on_progress=ignore))

    async with sharing(network) as (transfers, group):
        for _ in range(3):
            group.start_soon(want, transfers)
        await anyio.wait_all_tasks_blocked()
        network.go.set()

    assert (network.begun, len(got), len(transfers)) == (1, 3, 0)


async def test_who_joins_is_told_where_it_stands(tmp_path: Path) -> None:
    network, told = Steps(), list[FetchProgress]()
    async with sharing(network) as (transfers, group):
        group.start_soon(lambda: transfers.fetch(FILE, tmp_path / "b", on_progress=ignore))
        await anyio.wait_all_tasks_blocked()
        assert network.tell is not None
        network.tell(FetchProgress(FetchPhase.DOWNLOADING, 7, 10))

        group.start_soon(lambda: transfers.fetch(FILE, tmp_path / "b", on_progress=told.append))
        await anyio.wait_all_tasks_blocked()

        assert [news.done for news in told] == [7]
        network.go.set()


async def test_leaving_concerns_nobody_else_and_the_last_to_leave_stops_it(tmp_path: Path) -> None:
    network = Steps()
    network.linger.set()
    scopes = [anyio.CancelScope() for _ in range(2)]

    async def want(transfers: Transfers, scope: anyio.CancelScope) -> None:
        with scope:
            await transfers.fetch(FILE, tmp_path / "b", on_progress=ignore)

    async with sharing(network) as (transfers, group):
        for scope in scopes:
            group.start_soon(want, transfers, scope)
        await anyio.wait_all_tasks_blocked()
        scopes[0].cancel()
        await anyio.wait_all_tasks_blocked()
        assert network.writing == 1
        scopes[1].cancel()
        await anyio.wait_all_tasks_blocked()
        assert (network.writing, len(transfers)) == (0, 0)


async def test_who_asks_while_it_stops_waits_and_begins_anew(tmp_path: Path) -> None:
    network = Steps()
    scope = anyio.CancelScope()

    async def leave(transfers: Transfers) -> None:
        with scope:
            await transfers.fetch(FILE, tmp_path / "b", on_progress=ignore)

    async with sharing(network) as (transfers, group):
        group.start_soon(leave, transfers)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        group.start_soon(lambda: transfers.fetch(FILE, tmp_path / "b", on_progress=ignore))
        await anyio.wait_all_tasks_blocked()
        assert (network.begun, network.writing) == (1, 1)
        network.go.set()
        network.linger.set()

    assert (network.begun, network.most) == (2, 1)


async def test_an_error_reaches_all_who_wait_and_the_next_one_begins_anew(tmp_path: Path) -> None:
    network = Steps()
    network.error = NotFound("m")
    network.go.set()
    async with sharing(network) as (transfers, _):
        for _ in range(2):
            with pytest.raises(NotFound):
                await transfers.fetch(FILE, tmp_path / "b", on_progress=ignore)

    assert network.begun == 2


async def test_a_partial_that_somebody_wants_is_not_discarded(tmp_path: Path) -> None:
    network = Steps()
    async with sharing(network) as (transfers, group):
        group.start_soon(lambda: transfers.fetch(FILE, tmp_path / "b", on_progress=ignore))
        await anyio.wait_all_tasks_blocked()

        assert not await transfers.discard(tmp_path / "b")
        network.go.set()


async def test_the_loosest_limit_of_those_who_want_it_holds(tmp_path: Path) -> None:
    network = Steps()
    async with sharing(network) as (transfers, group):
        blob, slow, leaving = tmp_path / "b", Limiter(10_240), anyio.CancelScope()
        group.start_soon(partial(transfers.fetch, FILE, blob, on_progress=ignore, limiter=slow))
        await anyio.wait_all_tasks_blocked()
        assert network.pace is not None
        assert network.pace.max_read == 1024

        async def join() -> None:
            with leaving:
                await transfers.fetch(FILE, blob, on_progress=ignore)

        group.start_soon(join)
        await anyio.wait_all_tasks_blocked()
        assert network.pace.max_read is None

        leaving.cancel()
        await anyio.wait_all_tasks_blocked()
        assert network.pace.max_read == 1024
        network.go.set()


async def test_a_transfer_that_begins_while_its_partial_is_discarded_waits_for_that(tmp_path: Path) -> None:
    origin, blob, told = tmp_path / "origin", tmp_path / "b", list[FetchPhase]()
    origin.write_bytes(b"content")
    file = RemoteFile("m", 7, None, origin.as_uri())
    waits = anyio.Event()

    def note(progress: FetchProgress) -> None:
        told.append(progress.phase)
        waits.set()

    async with sharing(Network()) as (transfers, group):
        with locked_now(part_path(blob)) as held:  # as a discard holds it
            group.start_soon(partial(transfers.fetch, file, blob, on_progress=note))
            await waits.wait()
            assert (held, told, blob.exists()) == (True, [FetchPhase.LOCKED_OUT], False)

    assert blob.read_bytes() == b"content"
