"""Several machines, one database: its clock is everybody's, whatever the clocks of the machines say."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest

from hostel.plugins.batch import HttpSender, NotFound, SqlStorage
from hostel.plugins.batch._daemon.daemon import Daemon
from hostel.plugins.batch._model.records import DaemonStats
from hostel.plugins.batch._model.states import Pending
from hostel.plugins.batch.testing import Answer, Clock, ManualWorker, PostgresServer, Upstream, finished

DAY = 86400.0
WRONG = [60.0, DAY, -60.0, -DAY]
Step = Callable[[float], None]


@pytest.fixture
def server(postgres: PostgresServer, postgres_database: str) -> Iterator[str]:
    yield postgres.url(postgres_database)
    postgres.empty(postgres_database)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Step:
    """Sets the clock of this machine."""
    right = time.time

    def set_clock(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: right() + seconds)

    return set_clock


@asynccontextmanager
async def machine(server: str) -> AsyncIterator[ManualWorker]:
    async with SqlStorage(server) as storage:
        yield ManualWorker(storage, storage.now)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_machine_with_a_wrong_clock_takes_nothing_from_the_others(
    server: str, step: Step, wrong: float, when: str
) -> None:
    async with machine(server) as here:
        batch = await here.batch("a", "b")
        (request,) = await here.start()
        if when == "before":
            step(wrong)
        async with machine(server) as there:
            step(wrong)
            swept = await there.storage.sweep(30)

    assert (swept.reclaimed, swept.expired) == (0, 0)
    async with machine(server) as here:
        await here.complete(request)
        assert await here.counts(batch) == (1, 0, 1, 0, 0)


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_machine_with_a_wrong_clock_lives_and_gives_its_batches_their_time(
    server: str, step: Step, wrong: float
) -> None:
    async with machine(server) as here, machine(server) as there:
        step(wrong)
        batch = await there.batch("a", window="1h")
        await there.start()
        await there.storage.heartbeat(there.daemon_id, DaemonStats())
        step(0)
        swept = await here.storage.sweep(30)
        left = batch.expires_at - here.storage.now()

    assert (swept.reclaimed, swept.expired) == (0, 0)
    assert 3000 < left <= 3601


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_machine_with_a_wrong_clock_tries_again_when_it_is_time(
    server: str, step: Step, wrong: float
) -> None:
    async with machine(server) as here, machine(server) as there:
        await here.batch("later", "now")
        later, now = await here.start(2)
        deadline = later.state.batch_expires_at
        await here.report(later, Pending(1, here.storage.now() + 3600, deadline))
        await here.report(now, Pending(1, here.storage.now(), deadline))
        step(wrong)
        found = await there.claim(5)

    assert [request.data.custom_id for request in found] == ["now"]


async def test_a_daemon_on_a_machine_with_a_wrong_clock_works_a_batch_through(
    server: str, step: Step, upstream: Upstream
) -> None:
    upstream.script = lambda call: Answer() if call.number else Answer(503)
    async with machine(server) as here, SqlStorage(server) as storage:
        step(2 * DAY)
        batch = await here.batch("a", "b")
        async with HttpSender(upstream.url) as sender, anyio.create_task_group() as group:
            group.start_soon(Daemon(storage, sender, poll=0.05).run)
            done = await finished(here.storage, batch)
            group.cancel_scope.cancel()

    assert (done.completed_requests, done.expired_at) == (2, None)


async def test_what_is_silent_and_what_is_late_is_found_by_the_servers_clock(
    server: str, postgres: PostgresServer, postgres_database: str
) -> None:
    async with machine(server) as here:
        late, other = await here.batch("a", window="1h"), await here.batch("b", window="2h")
        await here.start(2)
        for statement in (
            "UPDATE daemons SET last_heartbeat = last_heartbeat - 31",
            f"UPDATE batches SET expires_at = expires_at - 3601 WHERE id = '{late.id}'",
        ):
            postgres.execute(statement, postgres_database)
        swept = await here.storage.sweep(30)

        assert (swept.reclaimed, swept.expired) == (2, 1)
        assert await here.counts(other) == (1, 0, 0, 0, 0)


async def test_a_claim_is_a_sign_of_life(worker: ManualWorker, clock: Clock) -> None:
    await worker.batch("a")
    await worker.check_in()
    clock.advance(40)

    await worker.start()

    assert (await worker.storage.sweep(30)).reclaimed == 0


@pytest.mark.parametrize("was", ["unknown", "dead"])
async def test_a_daemon_that_nobody_knows_to_live_claims_nothing(worker: ManualWorker, was: str) -> None:
    batch = await worker.batch("a")
    if was == "dead":
        await worker.check_in()
        await worker.sign_off()

    with pytest.raises(NotFound):
        await worker.storage.claim_requests(1, worker.daemon_id)

    assert await worker.counts(batch) == (1, 0, 0, 0, 0)
