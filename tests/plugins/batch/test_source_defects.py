"""Each defect of the original has a test here that it would fail."""

import logging
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa

from hostel.plugins.batch import (
    Batch,
    BatchInput,
    Capacity,
    Daemon,
    FileFilter,
    HttpSender,
    InvalidInput,
    RequestState,
    RequestTemplateInput,
    RetryPolicy,
    SqlStorage,
    StateConflict,
    StorageRefused,
    StorageUnavailable,
)
from hostel.plugins.batch._model.records import BatchErrorItem, Request
from hostel.plugins.batch._model.states import LIVE, FailureKind, Pending, Processing
from hostel.plugins.batch.testing import (
    ENDPOINT,
    Answer,
    Clock,
    ManualWorker,
    PostgresServer,
    Upstream,
    eventually,
    finished,
    template,
)

LATE = "30m"
READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"


async def escalate(worker: ManualWorker, override: str | None = "big") -> int:
    return await worker.storage.create_escalated_requests("m", 3600, sorted(LIVE), override)


async def race(worker: ManualWorker) -> tuple[Batch, Request[Processing], Request[Processing]]:
    batch = await worker.batch("a", window=LATE)
    assert await escalate(worker) == 1
    found = {request.id.escalated: request for request in await worker.start(5)}
    return batch, found[False], found[True]


async def test_an_escalation_sends_its_own_lines_body_with_its_own_lines_key(worker: ManualWorker) -> None:
    batches = []
    for owner in range(4):
        lines = [template(f"{owner}-{n}", api_key=f"env:KEY_{owner}_{n}") for n in range(10)]
        batches.append(await worker.batch_of(lines, LATE))

    assert await escalate(worker) == 40

    for batch in batches:
        found = await worker.storage.get_batch_requests(batch.id)
        originals = {request.id.line: request.data for request in found if not request.id.escalated}
        clones = {request.id.line: request.data for request in found if request.id.escalated}
        assert originals.keys() == clones.keys()
        for line, clone in clones.items():
            assert clone.custom_id == originals[line].custom_id
            assert clone.api_key == originals[line].api_key
            assert clone.body == originals[line].body.replace('"m"', '"big"')


async def test_files_can_be_listed_and_read_after_an_escalation(worker: ManualWorker) -> None:
    batch = await worker.batch("a", window=LATE)
    before = await worker.storage.list_files()

    await escalate(worker)

    assert await worker.storage.list_files(FileFilter()) == before
    assert await worker.storage.get_file(batch.file_id)


async def test_monitors_at_the_same_time_make_one_escalation_per_request(worker: ManualWorker) -> None:
    batch = await worker.batch(*(f"r{n}" for n in range(100)), window=LATE)
    made: list[int] = []

    async def monitor() -> None:
        made.append(await escalate(worker))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(monitor)

    assert sum(made) == 100
    assert len(await worker.storage.get_batch_requests(batch.id)) == 200


async def test_when_both_runners_finish_there_is_one_line_of_output(worker: ManualWorker) -> None:
    batch, original, clone = await race(worker)
    refused: list[StateConflict] = []

    async def finish(request: Request[Processing]) -> None:
        try:
            await worker.complete(request)
        except StateConflict as conflict:
            refused.append(conflict)

    async with anyio.create_task_group() as group:
        group.start_soon(finish, original)
        group.start_soon(finish, clone)

    assert len(refused) == 1
    assert await worker.outputs(batch) == ["a"]


async def test_the_loser_is_named_to_who_won_and_to_who_runs_it(worker: ManualWorker) -> None:
    _, original, clone = await race(worker)

    assert await worker.complete(original) == clone.id
    assert await worker.storage.find_stopped({clone.id: clone.lease}) == [clone.id]


async def test_a_loser_never_comes_back_to_life(worker: ManualWorker) -> None:
    batch, original, clone = await race(worker)
    await worker.complete(clone)

    with pytest.raises(StateConflict):
        await worker.give_back(original, attempt=1)

    assert await worker.claim(5) == []
    assert (await worker.storage.get_batch(batch.id)).completed_at is not None


async def test_a_worker_that_lost_its_claim_can_change_nothing(worker: ManualWorker, clock: Clock) -> None:
    batch = await worker.batch("a")
    await worker.check_in()
    (zombie,) = await worker.start()
    clock.advance(100)
    await worker.storage.sweep(30)
    other = ManualWorker(worker.storage, clock)
    (request,) = await other.start()

    for report in (worker.complete, worker.fail, worker.give_back, worker.withdraw):
        with pytest.raises(StateConflict):
            await report(zombie)
    await other.complete(request, '{"by": "other"}')
    for report in (worker.complete, worker.fail, worker.give_back, worker.withdraw):
        with pytest.raises(StateConflict):
            await report(zombie)

    (result,) = [item async for item in worker.storage.get_batch_results_stream(batch.id)]
    assert result.response_body == '{"by": "other"}'


async def test_a_long_call_is_not_sent_again_while_its_daemon_lives(
    worker: ManualWorker, clock: Clock
) -> None:
    await worker.batch("a")
    await worker.check_in()
    (request,) = await worker.start()
    for _ in range(10):
        clock.advance(600)
        await worker.check_in()
        assert (await worker.storage.sweep(30)).reclaimed == 0

    await worker.complete(request)


@pytest.mark.parametrize(
    "broken",
    [
        RequestTemplateInput("a", "POST", ENDPOINT, "{}", "m", endpoint="ftp://elsewhere"),
        RequestTemplateInput("a", "POST", ENDPOINT, "{}", "m", endpoint="http://host:port"),
        RequestTemplateInput("a", "POST", ENDPOINT, "{}", "m", api_key="env:NOT_SET_ANYWHERE"),
        RequestTemplateInput("a", "PO ST", ENDPOINT, "{}", "m"),
    ],
    ids=["scheme", "url", "secret", "method"],
)
async def test_a_request_that_cannot_be_built_fails_once_and_for_all(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream, broken: RequestTemplateInput
) -> None:
    batch = await worker.batch_of([broken])
    async with HttpSender(upstream.url) as sender, anyio.create_task_group() as group:
        group.start_soon(Daemon(storage, sender, poll=0.05).run)
        done = await finished(storage, batch)
        group.cancel_scope.cancel()

    assert (done.failed_requests, done.error_file_id is None, upstream.calls) == (1, False, [])
    assert done.error_file_id is not None
    (error,) = await storage.get_file_content(done.error_file_id)
    assert isinstance(error, BatchErrorItem)
    assert error.failure.kind is FailureKind.REQUEST_BUILDER_ERROR


async def test_a_limit_over_all_daemons_holds_among_concurrent_claims(
    worker: ManualWorker, clock: Clock
) -> None:
    await worker.batch(*(f"r{n}" for n in range(20)))
    await worker.batch(*(f"s{n}" for n in range(20)))
    taken: list[int] = []

    async def claim() -> None:
        taken.append(len(await ManualWorker(worker.storage, clock).claim(10, Capacity(everywhere={"m": 3}))))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(claim)

    assert sum(taken) == 3


async def _lock_sqlite(path: Path) -> Callable[[], None]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection.close


async def test_a_daemon_outlives_a_database_that_is_away(
    location: str | Path, worker: ManualWorker, upstream: Upstream, request: pytest.FixtureRequest
) -> None:
    batch = await worker.batch("a")
    async with SqlStorage(location, statement_timeout=0.2) as own:
        if isinstance(location, Path):
            bring_back = await _lock_sqlite(location)
        else:
            server: PostgresServer = request.getfixturevalue("postgres")
            bring_back = _cut_off(server, request.getfixturevalue("postgres_database"))
        async with HttpSender(upstream.url) as sender, anyio.create_task_group() as group:
            group.start_soon(Daemon(own, sender, poll=0.05).run)
            with pytest.raises(StorageUnavailable):
                await own.list_batches() if not isinstance(location, Path) else await own.sweep(1e9)
            bring_back()
            done = await finished(worker.storage, batch)
            group.cancel_scope.cancel()

    assert done.completed_requests == 1


def _cut_off(server: PostgresServer, name: str) -> Callable[[], None]:
    server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    return lambda: server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_a_deadline_ends_what_is_not_done(worker: ManualWorker, clock: Clock) -> None:
    batch = await worker.batch("a", "b", window="1h")
    clock.advance(3601)

    await worker.storage.sweep(1e9)

    assert await worker.claim(5) == []
    assert (await worker.storage.get_batch(batch.id)).expired_at is not None
    assert await worker.errors(batch) == ["a", "b"]


async def test_a_batch_is_cancelled_only_once_nothing_runs_and_never_after_it_completed(
    worker: ManualWorker,
) -> None:
    batch = await worker.batch("a")
    (request,) = await worker.start()
    await worker.storage.cancel_batch(batch.id)
    cancelling = await worker.storage.get_batch(batch.id)
    assert (cancelling.cancelling_at is not None, cancelling.cancelled_at) == (True, None)
    await worker.give_back(request)
    assert (await worker.storage.get_batch(batch.id)).cancelled_at is not None

    done = await worker.batch("b")
    await worker.complete((await worker.start())[0])
    before = await worker.storage.get_batch(done.id)
    await worker.storage.cancel_batch(done.id)
    assert await worker.storage.get_batch(done.id) == before


async def test_reading_writes_nothing(worker: ManualWorker, storage: SqlStorage) -> None:
    batch = await worker.batch("a", "b")
    await worker.complete((await worker.start())[0])
    engine = storage._db.engine
    engine.dispose()

    def read_only(connection: sa.Connection) -> None:
        sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql("PRAGMA query_only=ON" if sqlite else READ_ONLY)

    sa.event.listen(engine, "begin", read_only)
    assert batch.output_file_id is not None

    await storage.get_batch(batch.id)
    await storage.get_batch_status(batch.id)
    await storage.list_batches()
    await storage.list_files()
    await storage.get_file(batch.output_file_id)
    await storage.get_file_content(batch.output_file_id)
    await storage.get_batch_requests(batch.id)
    await storage.get_at_risk_batches(1e9, sorted(LIVE))
    assert [item.status async for item in storage.get_batch_results_stream(batch.id)]
    with pytest.raises((StorageRefused, StorageUnavailable)):
        await storage._db.read(lambda connection: connection.execute(sa.text("DELETE FROM model_queues")))


async def test_deleting_a_file_takes_nothing_from_finished_batches(worker: ManualWorker) -> None:
    batch = await worker.batch("a", "b")
    first, second = await worker.start(2)
    await worker.complete(first)
    await worker.fail(second)

    await worker.storage.delete_file(batch.file_id)

    results = [item async for item in worker.storage.get_batch_results_stream(batch.id)]
    assert [item.input_body for item in results] == [template("a").body, template("b").body]
    assert (await worker.outputs(batch), await worker.errors(batch)) == (["a"], ["b"])
    assert await worker.storage.retry_failed_requests([second.id]) == [None]
    await worker.complete((await worker.start())[0])
    assert await worker.counts(batch) == (0, 0, 2, 0, 0)


async def test_a_batch_does_not_copy_the_bodies_of_its_file(tmp_path: Path, sqlite_template: Path) -> None:
    async with SqlStorage(shutil.copy(sqlite_template, tmp_path / "batch.db")) as storage:
        worker = ManualWorker(storage, Clock())
        file_id = await storage.create_file("f", None, [template("x" * 20_000)] * 100)
        pages = sa.text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        before = await storage._db.read(lambda connection: connection.execute(pages).scalar_one())
        await storage.create_batch(BatchInput(file_id, ENDPOINT))
        after = await storage._db.read(lambda connection: connection.execute(pages).scalar_one())
        assert len(await worker.claim(200)) == 100

    assert before > 2_000_000
    assert after - before < 100_000


async def test_wildcards_are_searched_as_they_are_and_keys_of_metadata_are_not(worker: ManualWorker) -> None:
    batch = await worker.batch("a%b", "a_b", "axb", "a\\b")
    await worker.storage.create_batch(BatchInput(batch.file_id, ENDPOINT, metadata={"colour": "green"}))

    async def names(part: str) -> list[str | None]:
        return [
            item.custom_id async for item in worker.storage.get_batch_results_stream(batch.id, search=part)
        ]

    assert await names("%") == ["a%b"]
    assert await names("a_b") == ["a_b"]
    assert await names("\\") == ["a\\b"]
    assert await worker.storage.list_batches(search="colour") == []
    assert len(await worker.storage.list_batches(search="GREEN")) == 1


async def test_an_answer_that_asks_to_wait_is_obeyed(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    upstream.script = lambda call: Answer() if call.number else Answer(429, headers={"retry-after": "3600"})
    batch = await worker.batch("a")

    async with HttpSender(upstream.url) as sender, anyio.create_task_group() as group:
        group.start_soon(Daemon(storage, sender, poll=0.05, retry=RetryPolicy(backoff=0.001)).run)
        due = await eventually(lambda: _due(storage, batch))
        group.cancel_scope.cancel()

    assert len(upstream.calls) == 1
    assert due > storage.now() + 3500


async def _due(storage: SqlStorage, batch: Batch) -> float:
    (request,) = await storage.get_batch_requests(batch.id)
    return (request.state.not_before or 0.0) if isinstance(request.state, Pending) else 0.0


async def test_a_key_is_refused_as_a_reference_and_repeated_nowhere(
    worker: ManualWorker, storage: SqlStorage, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "sk-live-0123456789"  # the test looks for it

    with pytest.raises(InvalidInput) as refused:
        await worker.storage.create_file("f", None, [template("a", api_key=secret)])
    with pytest.raises(InvalidInput):
        await storage.create_escalated_requests("m", 1, [RequestState.PENDING], None, secret)

    assert secret not in str(refused.value)
    assert await storage.list_files() == []
    assert secret not in caplog.text


async def test_a_secret_reaches_the_endpoint_it_is_meant_for_and_no_log(
    worker: ManualWorker,
    storage: SqlStorage,
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OWN", "the-daemons-key")
    monkeypatch.setenv("BROKEN", "line\nbreak-key")
    async with Upstream.serve() as elsewhere:
        lines = [
            template("own"),
            RequestTemplateInput("other", "POST", ENDPOINT, template("other").body, "m", elsewhere.url),
            template("broken", api_key="env:BROKEN"),
        ]
        batch = await worker.batch_of(lines)
        async with HttpSender(upstream.url, api_key="env:OWN") as sender, anyio.create_task_group() as group:
            group.start_soon(Daemon(storage, sender, poll=0.05).run)
            done = await finished(storage, batch)
            group.cancel_scope.cancel()
        assert [call.headers.get("authorization") for call in upstream.calls] == ["Bearer the-daemons-key"]
        assert [call.headers.get("authorization") for call in elsewhere.calls] == [None]

    assert done.error_file_id is not None
    said = caplog.text + repr(await storage.get_file_content(done.error_file_id))
    assert "the-daemons-key" not in said
    assert "break-key" not in said


async def test_a_daemon_forgets_what_it_has_finished(
    worker: ManualWorker, storage: SqlStorage, upstream: Upstream
) -> None:
    batch = await worker.batch(*(f"r{n}" for n in range(30)))
    async with HttpSender(upstream.url) as sender, anyio.create_task_group() as group:
        daemon = Daemon(storage, sender, poll=0.05)
        group.start_soon(daemon.run)
        await finished(storage, batch)
        await eventually(lambda: _holds_nothing(daemon))
        group.cancel_scope.cancel()

    assert daemon._held == {}


async def _holds_nothing(daemon: Daemon) -> bool:
    return not daemon.holds


async def test_a_batch_says_what_is_wrong_with_its_input(worker: ManualWorker) -> None:
    batch = await worker.storage.create_batch(BatchInput(await worker.file(), ENDPOINT))

    assert [(problem.code, bool(problem.message)) for problem in batch.errors] == [("empty_file", True)]
