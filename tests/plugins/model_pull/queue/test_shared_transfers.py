"""Transfers shared by name of their blob, with a carrier whose steps the test decides."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from hostel.plugins.model_pull._engine import Fetched, FetchPhase, FetchProgress, Limiter, Pace
from hostel.plugins.model_pull._errors import NotFound
from hostel.plugins.model_pull._queue.shared_transfers import Listener, Transfers
from hostel.plugins.model_pull._sources.remote_file import RemoteFile

FILE = RemoteFile("m", 10, None, "https://h/m")


class Carrier:
    """Carries when told to, and counts how many do at a time."""

    def __init__(self) -> None:
        self.begun = self.writing = self.most = 0
        self.go = anyio.Event()
        self.linger = anyio.Event()
        self.error: Exception | None = None
        self.tell: Listener | None = None
        self.pace: Pace | None = None

    async def __call__(
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
async def sharing(carrier: Carrier) -> AsyncIterator[tuple[Transfers, TaskGroup]]:
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            yield Transfers(carrier, lambda func, *args: start(group, func, *args)), group


def start(group: TaskGroup, func: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
    group.start_soon(partial(func, *args))


def ignore(news: FetchProgress) -> None:
    pass


async def test_one_blob_has_one_transfer_however_many_want_it(tmp_path: Path) -> None:
    carrier = Carrier()
    got: list[Fetched] = []

    async def want(transfers: Transfers) -> None:
        got.append(await transfers.bring(FILE, tmp_path / "b", on_progress=ignore))

    async with sharing(carrier) as (transfers, group):
        for _ in range(3):
            group.start_soon(want, transfers)
        await anyio.wait_all_tasks_blocked()
        carrier.go.set()

    assert (carrier.begun, len(got), len(transfers)) == (1, 3, 0)


async def test_who_joins_is_told_where_it_stands(tmp_path: Path) -> None:
    carrier, told = Carrier(), list[FetchProgress]()
    async with sharing(carrier) as (transfers, group):
        group.start_soon(lambda: transfers.bring(FILE, tmp_path / "b", on_progress=ignore))
        await anyio.wait_all_tasks_blocked()
        assert carrier.tell is not None
        carrier.tell(FetchProgress(FetchPhase.DOWNLOADING, 7, 10))

        group.start_soon(lambda: transfers.bring(FILE, tmp_path / "b", on_progress=told.append))
        await anyio.wait_all_tasks_blocked()

        assert [news.done for news in told] == [7]
        carrier.go.set()


async def test_leaving_concerns_nobody_else_and_the_last_to_leave_stops_it(tmp_path: Path) -> None:
    carrier = Carrier()
    carrier.linger.set()
    scopes = [anyio.CancelScope() for _ in range(2)]

    async def want(transfers: Transfers, scope: anyio.CancelScope) -> None:
        with scope:
            await transfers.bring(FILE, tmp_path / "b", on_progress=ignore)

    async with sharing(carrier) as (transfers, group):
        for scope in scopes:
            group.start_soon(want, transfers, scope)
        await anyio.wait_all_tasks_blocked()
        scopes[0].cancel()
        await anyio.wait_all_tasks_blocked()
        assert carrier.writing == 1
        scopes[1].cancel()
        await anyio.wait_all_tasks_blocked()
        assert (carrier.writing, len(transfers)) == (0, 0)


async def test_who_asks_while_it_stops_waits_and_begins_anew(tmp_path: Path) -> None:
    carrier = Carrier()
    scope = anyio.CancelScope()

    async def leave(transfers: Transfers) -> None:
        with scope:
            await transfers.bring(FILE, tmp_path / "b", on_progress=ignore)

    async with sharing(carrier) as (transfers, group):
        group.start_soon(leave, transfers)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        group.start_soon(lambda: transfers.bring(FILE, tmp_path / "b", on_progress=ignore))
        await anyio.wait_all_tasks_blocked()
        assert (carrier.begun, carrier.writing) == (1, 1)
        carrier.go.set()
        carrier.linger.set()

    assert (carrier.begun, carrier.most) == (2, 1)


async def test_an_error_reaches_all_who_wait_and_the_next_one_begins_anew(tmp_path: Path) -> None:
    carrier = Carrier()
    carrier.error = NotFound("m")
    carrier.go.set()
    async with sharing(carrier) as (transfers, _):
        for _ in range(2):
            with pytest.raises(NotFound):
                await transfers.bring(FILE, tmp_path / "b", on_progress=ignore)

    assert carrier.begun == 2


async def test_a_partial_that_somebody_wants_is_not_discarded(tmp_path: Path) -> None:
    carrier = Carrier()
    async with sharing(carrier) as (transfers, group):
        group.start_soon(lambda: transfers.bring(FILE, tmp_path / "b", on_progress=ignore))
        await anyio.wait_all_tasks_blocked()

        assert not await transfers.discard(tmp_path / "b")
        carrier.go.set()


async def test_the_loosest_limit_of_those_who_want_it_holds(tmp_path: Path) -> None:
    carrier = Carrier()
    async with sharing(carrier) as (transfers, group):
        blob, slow, leaving = tmp_path / "b", Limiter(10_240), anyio.CancelScope()
        group.start_soon(partial(transfers.bring, FILE, blob, on_progress=ignore, limiter=slow))
        await anyio.wait_all_tasks_blocked()
        assert carrier.pace is not None
        assert carrier.pace.max_read == 1024

        async def join() -> None:
            with leaving:
                await transfers.bring(FILE, blob, on_progress=ignore)

        group.start_soon(join)
        await anyio.wait_all_tasks_blocked()
        assert carrier.pace.max_read is None

        leaving.cancel()
        await anyio.wait_all_tasks_blocked()
        assert carrier.pace.max_read == 1024
        carrier.go.set()
