"""Batches as tasks of their sessions: followed, cancelled, handed over, closed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from hostel.plugins.batch import (
    AlreadyWorking,
    Batch,
    Batches,
    BatchInput,
    Reply,
    RequestData,
    SqlStorage,
)
from hostel.plugins.batch._keep_running import keep_running
from hostel.plugins.batch.testing import ENDPOINT, Answer, Upstream, eventually, finished, template
from hostel.runtime import Runtime, hookimpl
from hostel.sessions import ClosePolicy, SessionClosing, TaskFilter, TaskRecord, TaskState


class Served:
    """A runtime with batches that are worked on."""

    def __init__(self, runtime: Runtime, storage: SqlStorage) -> None:
        self.runtime, self.storage = runtime, storage
        self.batches = runtime.get(Batches)

    async def submit(
        self, *names: str, session: str = "s1", window: str = "24h", close: ClosePolicy = ClosePolicy.KEEP
    ) -> Batch:
        file_id = await self.storage.create_file("f", None, [template(name) for name in names])
        order = BatchInput(file_id, ENDPOINT, window, session_id=session)
        return await self.batches.submit(order, close_policy=close)

    async def ended(self, batch: Batch) -> TaskRecord:
        with anyio.fail_after(120):
            return await self.runtime.tasks.wait(batch.id)


@asynccontextmanager
async def serving(
    upstream: str | None, data_dir: Path | None = None, *plugins: object
) -> AsyncIterator[Served]:
    async with Runtime(plugins, data_dir=data_dir, load_installed=False) as runtime:
        batches = runtime.get(Batches)
        await batches.work(upstream, poll=0.05, grace=0.2)
        yield Served(runtime, await batches.storage())


@pytest.fixture
async def served(upstream: Upstream) -> AsyncIterator[Served]:
    async with serving(upstream.url) as served:
        yield served


async def test_a_batch_is_a_task_of_its_session_that_tells_how_far_it_is(
    served: Served, upstream: Upstream
) -> None:
    gate = anyio.Event()
    upstream.script = lambda call: Answer(hold=gate) if call.prompt == "last" else Answer()
    batch = await served.submit("a", "b", "last")

    async def two_are_done() -> bool:
        (record,) = await served.runtime.tasks.list(TaskFilter(session_id="s1", kind="batch"))
        return record.progress is not None and (record.progress.done, record.progress.total) == (2, 3)

    await eventually(two_are_done)
    gate.set()
    record = await served.ended(batch)

    assert (record.id, record.state, record.session_id) == (batch.id, TaskState.COMPLETED, "s1")
    assert record.progress is not None
    assert record.progress.done == 3
    assert record.result is not None
    assert record.result.summary == "3 completed"
    assert isinstance(record.result.value, dict)
    assert record.result.value["status"] == "completed"


async def test_cancelling_the_task_cancels_the_batch(served: Served, upstream: Upstream) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    batch = await served.submit("a", "b")
    await upstream.until(lambda up: up.in_flight["m"] == 2)

    await served.runtime.tasks.request_cancel(batch.id, "not needed", actor="someone")

    record = await served.ended(batch)
    assert (record.state, record.cancel_reason, record.cancel_actor) == (
        TaskState.CANCELLED,
        "not needed",
        "someone",
    )
    assert (await served.storage.get_batch(batch.id)).canceled_requests == 2
    await upstream.until(lambda up: not up.in_flight["m"])


async def test_handing_the_task_over_hands_the_batch_over(served: Served, upstream: Upstream) -> None:
    gate = anyio.Event()
    upstream.script = lambda _: Answer(hold=gate)
    batch = await served.submit("a")

    await served.runtime.tasks.transfer(batch.id, "s2")

    async def moved() -> bool:
        return (await served.storage.get_batch(batch.id)).session_id == "s2"

    await eventually(moved)
    gate.set()
    record = await served.ended(batch)
    assert (record.session_id, record.state) == ("s2", TaskState.COMPLETED)


@pytest.mark.parametrize("close", [ClosePolicy.KEEP, ClosePolicy.CANCEL, ClosePolicy.TRANSFER])
async def test_closing_a_session_does_to_its_batches_what_their_policy_says(
    served: Served, upstream: Upstream, close: ClosePolicy
) -> None:
    gate = anyio.Event()
    upstream.script = lambda _: Answer(hold=gate)
    async with served.runtime.session("s1", successor="heir"):
        batch = await served.submit("a", close=close)
        await upstream.until(lambda up: up.in_flight["m"] == 1)

    record = await served.runtime.tasks.get(batch.id)
    assert record is not None
    if close is ClosePolicy.CANCEL:
        assert (await finished(served.storage, batch)).cancelled_at is not None
    else:
        assert record.session_id == ("heir" if close is ClosePolicy.TRANSFER else "s1")
        gate.set()
        assert (await finished(served.storage, batch)).completed_at is not None
    await served.ended(batch)


async def test_a_batch_that_expires_is_a_failed_task(served: Served, upstream: Upstream) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())

    record = await served.ended(await served.submit("a", window="50ms"))

    assert record.state is TaskState.FAILED


async def test_a_batch_expires_though_nobody_works_on_it(tmp_path: Path) -> None:
    async with Runtime(data_dir=tmp_path, load_installed=False) as runtime:
        served = Served(runtime, await runtime.get(Batches).storage())
        record = await served.ended(await served.submit("a", window="50ms"))

    assert record.state is TaskState.FAILED


async def test_a_batch_with_invalid_input_is_no_task(served: Served) -> None:
    batch = await served.submit()

    assert batch.failed_at is not None
    assert await served.runtime.tasks.get(batch.id) is None


async def test_no_session_can_end_the_daemon(served: Served) -> None:
    await served.runtime.tasks.cancel_all_managed("batches")

    assert served.batches.works
    batch = await served.submit("a", session="batches")
    assert (await served.ended(batch)).state is TaskState.COMPLETED


@pytest.mark.virtual_time
async def test_a_service_that_dies_is_told_of_and_runs_again_after_growing_pauses() -> None:
    runs: list[float] = []
    told: list[tuple[str, str]] = []

    async def run() -> None:
        runs.append(anyio.current_time())
        if len(runs) == 10:
            await anyio.sleep(100)
        if len(runs) < 12:
            raise ZeroDivisionError("oops")

    await keep_running("it", run, lambda what, error: told.append((what, str(error))))

    pauses = [round(after - before) for before, after in pairwise(runs)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 101, 2]
    assert told == [("it", "oops")] * 11


async def test_a_daemon_that_dies_is_told_of_and_another_takes_over(
    served: Served, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    gate = anyio.Event()
    upstream.script = lambda _: Answer(hold=gate)
    batch = await served.submit("a")
    await upstream.until(lambda up: up.in_flight["m"] == 1)
    assert served.batches.works

    daemon = served.batches._daemon
    assert daemon is not None
    daemon._claim_size = "many"  # type: ignore[assignment]  # a fault that nobody has foreseen
    daemon.wake()
    await eventually(lambda: _is(lambda: not served.batches.works))

    assert "the daemon has died" in (served.batches.trouble or "")
    assert "sending requests" in (_failure(served.runtime) or "")
    assert "starts again" in caplog.text
    gate.set()
    assert (await served.ended(batch)).state is TaskState.COMPLETED
    assert served.batches.works
    assert served.batches.trouble is None


def _failure(runtime: Runtime) -> str | None:
    return next(info.failure for info in runtime.plugins if info.name == "batch")


async def _is(look: Callable[[], bool]) -> bool:
    return look()


async def test_sending_is_started_once(served: Served, upstream: Upstream) -> None:
    with pytest.raises(AlreadyWorking):
        await served.batches.work("http://127.0.0.1:9")

    assert (await served.ended(await served.submit("a"))).state is TaskState.COMPLETED


async def test_sending_can_be_started_after_a_start_that_failed() -> None:
    async with Runtime(load_installed=False) as runtime:
        batches = runtime.get(Batches)
        with pytest.raises(TypeError):
            await batches.work(None, pace="fast")
        assert not batches.works

        await batches.work(None)
        assert batches.works


async def test_a_batch_is_not_taken_for_a_session_that_closes_and_the_others_are_shown(
    served: Served, upstream: Upstream
) -> None:
    gate, closing, close_on = anyio.Event(), anyio.Event(), anyio.Event()
    upstream.script = lambda _: Answer(hold=gate)

    async def hold() -> None:
        closing.set()
        await close_on.wait()

    async def close() -> None:
        await served.runtime.tasks.spawn_hidden("s1", "holds it", hold)
        await served.runtime.tasks.close_session("s1")

    file_id = await served.storage.create_file("f", None, [template("a")])
    async with anyio.create_task_group() as group:
        group.start_soon(close)
        await closing.wait()
        with pytest.raises(SessionClosing):
            await served.submit("a")
        strange = await served.storage.create_batch(BatchInput(file_id, ENDPOINT, session_id="s1"))
        other = await served.storage.create_batch(BatchInput(file_id, ENDPOINT, session_id="s2"))
        record = await eventually(lambda: served.runtime.tasks.get(other.id))
        assert record is not None
        assert await served.runtime.tasks.get(strange.id) is None
        close_on.set()

    await eventually(lambda: served.runtime.tasks.get(strange.id))
    gate.set()
    assert (await served.ended(other)).state is TaskState.COMPLETED
    assert (await served.ended(strange)).state is TaskState.COMPLETED
    (withdrawn,) = [
        each for each in await served.storage.list_batches() if each.id not in (strange.id, other.id)
    ]
    assert withdrawn.cancelled_at is not None


async def test_batches_of_another_process_on_the_same_store_show_up(
    served: Served, upstream: Upstream
) -> None:
    gate = anyio.Event()
    upstream.script = lambda _: Answer(hold=gate)
    file_id = await served.storage.create_file("f", None, [template("a")])
    batch = await served.storage.create_batch(BatchInput(file_id, ENDPOINT, session_id="far"))

    record = await eventually(lambda: served.runtime.tasks.get(batch.id))
    gate.set()

    assert record is not None
    assert record.session_id == "far"
    assert (await served.ended(batch)).state is TaskState.COMPLETED


class Parrot:
    """A plugin that answers requests itself."""

    @hookimpl
    def choose_batch_sender(self) -> Callable[[RequestData], Awaitable[Reply]]:
        async def send(request: RequestData) -> Reply:
            return Reply(200, f'{{"said": "{request.custom_id}"}}')

        return send


async def test_a_plugin_may_send_requests_its_own_way() -> None:
    async with serving(None, None, Parrot()) as served:
        batch = await served.submit("polly")
        await served.ended(batch)

        (result,) = [item async for item in served.storage.get_batch_results_stream(batch.id)]
    assert result.response_body == '{"said": "polly"}'


async def test_a_runtime_that_never_used_batches_makes_no_store(tmp_path: Path) -> None:
    async with Runtime(data_dir=tmp_path, load_installed=False) as runtime:
        assert "batch" in runtime.plugins

    assert not await anyio.Path(tmp_path / "batch.db").exists()
