"""The task kind `batch`: batches started by name, as tasks that survive their process."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from hostel.plugins.batch import Batches, BatchExpired, InvalidInput, SqlStorage
from hostel.plugins.batch.testing import Answer, Upstream, eventually
from hostel.runtime import Runtime
from hostel.sessions import CancelPolicy, ClosePolicy, TaskCancelled, TaskFailed, TaskFilter, TaskState

from .openai.test_openai_client import jsonl, line


@pytest.fixture
def lines(tmp_path: Path) -> str:
    path = tmp_path / "in.jsonl"
    path.write_text(jsonl(line("a"), line("b")))
    return str(path)


@pytest.fixture
async def runtime(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Runtime]:
    async with Runtime(data_dir=tmp_path / "data", load_installed=False) as runtime:
        await runtime.get(Batches).work(upstream.url, poll=0.05, grace=0.2)
        yield runtime


async def store_of(runtime: Runtime) -> SqlStorage:
    return await runtime.get(Batches).storage()


async def test_a_batch_is_started_by_name_and_its_result_is_the_batch(runtime: Runtime, lines: str) -> None:
    handle = await runtime.start("s1", "batch", {"file": lines, "metadata": {"team": "blue"}})
    with anyio.fail_after(120):
        result = await handle.wait()

    assert isinstance(result, dict)
    assert (result["status"], result["endpoint"]) == ("completed", "/v1/chat/completions")
    assert result["metadata"] == {"team": "blue"}
    assert handle.record.progress is not None
    assert (handle.record.progress.done, handle.record.progress.total) == (2, 2)
    (record,) = await runtime.tasks.list(TaskFilter(session_id="s1", include_terminal=True))
    assert (record.id, record.kind, record.state) == (handle.id, "batch", TaskState.COMPLETED)


async def test_its_progress_is_that_of_the_batch(runtime: Runtime, lines: str, upstream: Upstream) -> None:
    gate = anyio.Event()
    upstream.script = lambda call: Answer(hold=gate) if call.prompt == "b" else Answer()
    handle = await runtime.start("s1", "batch", {"file": lines})

    async def one_is_done() -> bool:
        progress = handle.record.progress
        return progress is not None and (progress.done, progress.total, progress.unit) == (1, 2, "requests")

    await eventually(one_is_done)
    gate.set()
    await handle.wait()


@pytest.mark.parametrize("policy", [None, CancelPolicy.COOPERATIVE])
async def test_cancelling_it_stops_the_batch_before_it_is_cancelled(
    runtime: Runtime, lines: str, upstream: Upstream, policy: CancelPolicy | None
) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    handle = await runtime.start("s1", "batch", {"file": lines}, cancel_policy=policy)
    await upstream.until(lambda up: up.in_flight["m"] == 2)

    await runtime.tasks.request_cancel(handle.id, "enough", actor="someone")
    with anyio.fail_after(120), pytest.raises(TaskCancelled):
        await handle.wait()

    (batch,) = await (await store_of(runtime)).list_batches()
    assert batch.cancelled_at is not None
    assert (handle.record.cancel_reason, handle.record.cancel_actor) == ("enough", "someone")


async def test_cancelling_the_batch_cancels_it(runtime: Runtime, lines: str, upstream: Upstream) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    handle = await runtime.start("s1", "batch", {"file": lines})
    await upstream.until(lambda up: up.in_flight["m"] == 2)
    storage = await store_of(runtime)
    (batch,) = await storage.list_batches()

    await storage.cancel_batch(batch.id)

    with anyio.fail_after(120), pytest.raises(TaskCancelled):
        await handle.wait()
    assert handle.record.cancel_actor == "batch"


async def test_handing_it_over_hands_the_batch_over(runtime: Runtime, lines: str, upstream: Upstream) -> None:
    gate = anyio.Event()
    upstream.script = lambda _: Answer(hold=gate)
    async with runtime.session("s1", successor="heir") as session:
        handle = await session.start("batch", {"file": lines}, close_policy=ClosePolicy.TRANSFER)
        await upstream.until(lambda up: up.in_flight["m"] == 2)
    storage = await store_of(runtime)

    async def moved() -> bool:
        return [batch.session_id for batch in await storage.list_batches()] == ["heir"]

    await eventually(moved)
    gate.set()
    await handle.wait()
    records = await runtime.tasks.list(TaskFilter(include_terminal=True))
    assert [record.session_id for record in records] == ["heir"]


async def test_invalid_lines_fail_it(runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("oops\n")
    handle = await runtime.start("s1", "batch", {"file": str(tmp_path / "bad.jsonl")})

    with pytest.raises(TaskFailed) as failed:
        await handle.wait()

    assert isinstance(failed.value.__cause__, InvalidInput)
    assert "line 1" in str(failed.value.__cause__)


async def test_a_window_that_passes_fails_it(runtime: Runtime, lines: str, upstream: Upstream) -> None:
    upstream.script = lambda _: Answer(hold=anyio.Event())
    handle = await runtime.start("s1", "batch", {"file": lines, "completion_window": "100ms"})

    with anyio.fail_after(120), pytest.raises(TaskFailed) as failed:
        await handle.wait()

    assert isinstance(failed.value.__cause__, BatchExpired)


@pytest.mark.parametrize(
    "params", [{}, {"file": "x", "file_id": "y"}, {"file": 7}, {"file": "x", "color": "red"}]
)
async def test_params_that_make_no_sense_fail_it(runtime: Runtime, params: dict[str, str | int]) -> None:
    handle = await runtime.start("s1", "batch", dict(params))

    with pytest.raises(TaskFailed) as failed:
        await handle.wait()

    assert isinstance(failed.value.__cause__, InvalidInput)
