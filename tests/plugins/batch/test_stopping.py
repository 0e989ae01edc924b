"""Runtimes stop and die, batches go on: what the tasks of batches say then, and in the next runtime."""

import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest

from hostel.plugins.batch import Batch, Batches, BatchInput, Daemon, HttpSender, SqlStorage
from hostel.plugins.batch.testing import ENDPOINT, Answer, Upstream, eventually, finished, template
from hostel.runtime import PluginFailed, Runtime, hookimpl
from hostel.sessions import LocalBackgroundTaskHost, OnStop, TaskFilter, TaskRecord, TaskState
from hostel.sessions.journal import SqliteJournal

from .openai.test_openai_client import jsonl, line

EVERY = TaskFilter(kind="batch", include_terminal=True)


@pytest.fixture
def lines(tmp_path: Path) -> str:
    path = tmp_path / "in.jsonl"
    path.write_text(jsonl(line("a"), line("b")))
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@asynccontextmanager
async def working(
    data: Path | None, upstream: Upstream, on_stop: OnStop = OnStop.INTERRUPT
) -> AsyncIterator[Runtime]:
    async with Runtime(data_dir=data, load_installed=False, on_stop=on_stop) as runtime:
        await runtime.get(Batches).work(upstream.url, poll=0.05, grace=0.2, stale_after=0.2)
        yield runtime


async def submit(runtime: Runtime) -> Batch:
    batches = runtime.get(Batches)
    file_id = await (await batches.storage()).create_file("f", None, [template("a"), template("b")])
    return await batches.submit(BatchInput(file_id, ENDPOINT, session_id="s1"))


async def submitted_and_left(data: Path, upstream: Upstream) -> Batch:
    """Submit a batch and close the runtime while it is worked on."""
    upstream.script = lambda _: Answer(hold=anyio.Event())
    async with working(data, upstream) as runtime:
        batch = await submit(runtime)
        await upstream.until(lambda up: up.in_flight["m"] == 2)
    upstream.script = lambda _: Answer()
    return batch


async def ended(runtime: Runtime, task_id: str) -> TaskRecord:
    with anyio.fail_after(120):
        return await runtime.tasks.wait(task_id)


async def test_a_submitted_batch_goes_on_as_the_same_task_in_the_next_runtime(
    data: Path, upstream: Upstream
) -> None:
    batch = await submitted_and_left(data, upstream)
    async with tasks_of(data) as host:
        (left,) = await host.list(EVERY)
    assert (left.id, left.state) == (batch.id, TaskState.PENDING)

    async with working(data, upstream) as runtime:
        record = await ended(runtime, batch.id)
        assert [each.id for each in await runtime.tasks.list(EVERY)] == [batch.id]

    assert (record.session_id, record.state, record.created_at) == (
        "s1",
        TaskState.COMPLETED,
        left.created_at,
    )


def tasks_of(data: Path) -> LocalBackgroundTaskHost:
    """Open the tasks of a folder without a runtime."""
    return LocalBackgroundTaskHost(SqliteJournal(data / "journal.sqlite3"))


async def test_a_batch_that_finished_meanwhile_ends_its_task(data: Path, upstream: Upstream) -> None:
    batch = await submitted_and_left(data, upstream)
    async with (
        SqlStorage(data / "batch.db") as storage,
        HttpSender(upstream.url) as sender,
        anyio.create_task_group() as group,
    ):
        group.start_soon(Daemon(storage, sender, poll=0.05).run)
        await finished(storage, batch)
        group.cancel_scope.cancel()

    async with Runtime(data_dir=data, load_installed=False) as runtime:
        record = await ended(runtime, batch.id)

    assert record.state is TaskState.COMPLETED
    assert record.result is not None
    assert record.result.summary == "2 completed"


async def test_a_batch_that_was_deleted_meanwhile_ends_its_task(data: Path, upstream: Upstream) -> None:
    batch = await submitted_and_left(data, upstream)
    async with SqlStorage(data / "batch.db") as storage:
        await storage.delete_batch(batch.id)

    async with Runtime(data_dir=data, load_installed=False) as runtime:
        assert (await ended(runtime, batch.id)).state is TaskState.CANCELLED


async def test_a_task_that_was_asked_to_stop_meanwhile_stops_its_batch(
    data: Path, upstream: Upstream
) -> None:
    batch = await submitted_and_left(data, upstream)
    async with tasks_of(data) as host:
        await host.request_cancel(batch.id, "not needed", actor="someone")
    upstream.script = lambda _: Answer(hold=anyio.Event())  # else the lines may be answered first

    async with working(data, upstream) as runtime:
        record = await ended(runtime, batch.id)
        done = await (await runtime.get(Batches).storage()).get_batch(batch.id)

    assert (record.state, record.cancel_actor) == (TaskState.CANCELLED, "someone")
    assert (done.cancelled_at is not None, done.canceled_requests) == (True, 2)


async def test_a_task_that_was_handed_over_before_the_stop_stays_where_it_is(
    data: Path, upstream: Upstream
) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    async with working(data, upstream) as runtime:
        batch = await submit(runtime)
        await runtime.tasks.transfer(batch.id, "s2")
    upstream.script = lambda _: Answer()

    async with working(data, upstream) as runtime:
        await ended(runtime, batch.id)
        records = await runtime.tasks.list(EVERY)

    assert [(record.id, record.session_id) for record in records] == [(batch.id, "s2")]


async def test_a_task_of_another_store_waits_for_it(
    data: Path, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await submitted_and_left(data, upstream)

    monkeypatch.setenv("HOSTEL_BATCH_STORE", str(tmp_path / "other.db"))
    async with working(data, upstream) as runtime:
        other = await submit(runtime)
        await ended(runtime, other.id)
        record = await runtime.tasks.get(batch.id)

    assert record is not None
    assert record.state is TaskState.PENDING


async def test_a_batch_by_name_waits_for_the_next_runtime_and_goes_on_there(
    data: Path, upstream: Upstream, lines: str
) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    async with working(data, upstream) as runtime:
        handle = await runtime.start("s1", "batch", {"file": lines})
        await upstream.until(lambda up: up.in_flight["m"] == 2)
    assert (handle.record.state, handle.record.cancel_actor) == (TaskState.PENDING, None)
    upstream.script = lambda _: Answer()

    async with working(data, upstream) as runtime:
        record = await ended(runtime, handle.id)
        made = await (await runtime.get(Batches).storage()).list_batches()
        records = await runtime.tasks.list(EVERY)

    assert (record.state, record.attempt.attempt) == (TaskState.COMPLETED, 2)
    assert [(batch.completed_requests, batch.cancelled_at) for batch in made] == [(2, None)]
    assert [each.id for each in records] == [handle.id]


async def test_a_task_that_replaced_another_goes_on_with_its_own_batch(
    data: Path, upstream: Upstream, lines: str
) -> None:
    async with working(data, upstream) as runtime:
        await (await runtime.start("s1", "batch", {"file": lines}, id="nightly")).wait()
        upstream.script = lambda _: Answer(hold=anyio.Event())
        await runtime.start("s1", "batch", {"file": lines}, id="nightly")
        await upstream.until(lambda up: up.in_flight["m"] == 2)
    upstream.script = lambda _: Answer()

    async with working(data, upstream) as runtime:
        record = await ended(runtime, "nightly")
        second, first = await (await runtime.get(Batches).storage()).list_batches()

    assert record.result is not None
    assert isinstance(record.result.value, dict)
    assert record.result.value["id"] == second.id != first.id
    assert (first.completed_requests, second.completed_requests) == (2, 2)


async def test_a_stop_that_cancels_stops_the_batch_as_soon_as_somebody_can(
    data: Path, upstream: Upstream, lines: str
) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    async with working(data, upstream, OnStop.CANCEL) as runtime:
        handle = await runtime.start("s1", "batch", {"file": lines})
        await upstream.until(lambda up: up.in_flight["m"] == 2)
    assert handle.record.state is TaskState.CANCELLED
    sent = len(upstream.calls)

    async with working(data, upstream) as runtime:
        storage = await runtime.get(Batches).storage()
        (batch,) = await storage.list_batches()
        assert (await finished(storage, batch)).cancelled_at is not None

    assert len(upstream.calls) == sent


async def test_without_a_journal_the_task_ends_and_the_batch_goes_on(
    upstream: Upstream, lines: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTEL_BATCH_STORE", str(tmp_path / "own.db"))
    upstream.script = lambda _: Answer(hold=anyio.Event())
    async with working(None, upstream) as runtime:
        handle = await runtime.start("s1", "batch", {"file": lines})
        await upstream.until(lambda up: up.in_flight["m"] == 2)
    assert (handle.record.state, handle.record.cancel_actor) == (TaskState.CANCELLED, "host stopped")
    upstream.script = lambda _: Answer()

    async with working(None, upstream) as runtime:
        (batch,) = await (await runtime.get(Batches).storage()).list_batches()
        await eventually(lambda: runtime.tasks.get(batch.id))
        record = await ended(runtime, batch.id)

    assert (record.session_id, record.state) == ("s1", TaskState.COMPLETED)


class FailsToStart:
    """A plugin because of which a runtime does not open."""

    @hookimpl
    def on_startup(self) -> None:
        raise ZeroDivisionError


async def stop(how: str, data: Path, upstream: Upstream, lines: str | None) -> None:
    """Work on the folder until it is worked on, and stop so."""
    if how == "failed start":
        with pytest.raises(PluginFailed):
            await Runtime([FailsToStart()], data_dir=data, load_installed=False).__aenter__()
        return
    if how == "leave" and lines is None:
        async with working(data, upstream):
            await upstream.until(lambda up: up.in_flight["m"] > 0)
        return
    starter = str(Path(__file__).with_name("starter.py"))
    command = [sys.executable, starter, str(data), upstream.url, *([lines] if lines else [])]
    async with await anyio.open_process(command, stderr=None) as process:
        assert process.stdout is not None
        await process.stdout.receive()
        await upstream.until(lambda up: up.in_flight["m"] > 0)
        process.send_signal({"ctrl-c": signal.SIGINT, "leave": signal.SIGINT, "kill": signal.SIGKILL}[how])
        with suppress(anyio.EndOfStream):
            await process.stdout.receive()
        await process.wait()


@pytest.mark.parametrize("seed", [1, 2])
async def test_after_stops_in_any_order_each_batch_is_finished_as_its_one_task(
    data: Path, upstream: Upstream, lines: str, seed: int
) -> None:
    chance = random.Random(seed)
    upstream.script = lambda _: Answer(hold=anyio.Event())
    stops = ["kill", "kill", "ctrl-c", "leave", "failed start", "failed start"]
    chance.shuffle(stops)
    await stop(chance.choice(["ctrl-c", "leave"]), data, upstream, lines)
    for how in stops:
        await upstream.until(lambda up: not up.in_flight["m"])
        await stop(how, data, upstream, None)
    upstream.script = lambda _: Answer()

    async with working(data, upstream) as runtime:
        left = await runtime.tasks.list(EVERY)
        ends = [await ended(runtime, record.id) for record in left]
        made = await (await runtime.get(Batches).storage()).list_batches()
        records = await runtime.tasks.list(EVERY)

    assert [record.state for record in ends] == [TaskState.COMPLETED] * 2
    assert [batch.completed_requests for batch in made] == [2, 2]
    assert {record.id for record in records} == {
        "named",
        *(batch.id for batch in made if not batch.created_by),
    }
