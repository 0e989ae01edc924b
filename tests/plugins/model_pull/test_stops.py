"""Stopping a runtime is not cancelling its pulls: the next one goes on with them, as the same tasks."""

import random
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hostel.plugins.model_pull import DownloadManager
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin
from hostel.runtime import Runtime, hookimpl
from hostel.sessions import TaskHandle, TaskRecord, TaskState

SIZE = 8 * MIB
MODELS = {f"org/m{number}": Blob(SIZE, seed=number) for number in range(4)}


@pytest.fixture
def models(hub: LocalHub) -> LocalHub:
    """A hub with four models, which it sends slowly."""
    for name, blob in MODELS.items():
        hub.add_repo(name, {"m-Q8_0.gguf": blob})
    hub.fault(Fault(origin=Origin.CDN, bps=4 * MIB))
    return hub


@asynccontextmanager
async def running(
    data_dir: Path | None, plugins: Sequence[object] = (), **how: str | float
) -> AsyncIterator[Runtime]:
    runtime = Runtime(plugins, load_installed=False, data_dir=data_dir, **how)  # type: ignore[arg-type]
    with anyio.fail_after(60):
        async with runtime:
            yield runtime


async def sent(hub: LocalHub, count: int) -> None:
    """Wait until the hub has sent so many bytes of models."""
    assert await anyio.to_thread.run_sync(
        lambda: hub.wait_until_sent(count, origin=Origin.CDN, timeout=60.0), abandon_on_cancel=True
    )


async def pulls(runtime: Runtime) -> list[TaskRecord]:
    return [record for record in await runtime.tasks.list() if record.kind == "model_pull"]


async def every_record(runtime: Runtime, *sessions: str) -> list[TaskRecord]:
    for session in sessions:
        await runtime.tasks.wait_all(session)
    return [record for session in sessions for record in await runtime.tasks.list_managed(session)]


async def test_draining_lets_a_pull_end_before_its_plugin_closes(models: LocalHub, tmp_path: Path) -> None:
    async with running(tmp_path, on_stop="drain", stop_grace=60.0) as runtime:
        started = await runtime.start("s", "model_pull", {"repo_id": "org/m0"})
        await sent(models, MIB)

    assert started.record.state is TaskState.COMPLETED


async def test_random_stops_in_a_row_end_with_every_model_complete_and_one_task_each(
    models: LocalHub, tmp_path: Path
) -> None:
    chance, stops = random.Random(7), 4
    async with running(tmp_path) as runtime:
        manager = runtime.get(DownloadManager)
        started = await runtime.start("s", "model_pull", {"repo_id": "org/m0"})
        shared = await runtime.start("t", "model_pull", {"repo_id": "org/m0"})
        pulled = manager.pull("org/m1", session_id="s")
        await manager.queue_smart("org/m2", session_id="s")
        await manager.queue_smart("org/m3", session_id="s")
        ids = {record.id for record in await pulls(runtime)}
        await sent(models, 2 * MIB)
    assert {started.id, shared.id, pulled.request_id} < ids
    assert len(ids) == 5

    for _ in range(stops):
        enough = min(models.bytes_sent(origin=Origin.CDN) + chance.randrange(4 * MIB), 3 * SIZE)
        async with running(tmp_path) as runtime:
            assert {record.id for record in await pulls(runtime)} <= ids
            await sent(models, enough)
    models.clear_faults()
    async with running(tmp_path) as runtime:
        records = await every_record(runtime, "s", "t")
        assert runtime.get(DownloadManager)
        assert (await runtime.get(DownloadManager).get_queue_snapshot()).items == ()

    assert {record.id for record in records} == ids
    assert {record.state for record in records} == {TaskState.COMPLETED}
    assert any(record.attempt.attempt > 2 for record in records)
    for name, blob in MODELS.items():
        paths = {str(one.result.value) for one in records if one.result and name[4:] in str(one.result.value)}
        assert [Path(path).read_bytes() for path in paths] == [blob.read()]
    assert models.bytes_sent(origin=Origin.CDN) < 4 * SIZE + (stops + 1) * 8 * MIB


async def test_a_stop_leaves_pulls_pending_and_nothing_says_cancelled(
    models: LocalHub, tmp_path: Path
) -> None:
    async with running(tmp_path) as runtime:
        handles: list[TaskHandle[object]] = [
            await runtime.start("s", "model_pull", {"repo_id": name}) for name in MODELS
        ]
        await sent(models, MIB)

    assert {handle.record.state for handle in handles} == {TaskState.PENDING}
    assert {handle.record.cancel_actor for handle in handles} == {None}
    models.clear_faults()
    async with running(tmp_path) as runtime:
        for record in await every_record(runtime, "s"):
            assert (record.state, record.attempt.attempt) == (TaskState.COMPLETED, 2)


async def test_without_a_folder_a_stop_cancels_pulls(models: LocalHub) -> None:
    async with running(None) as runtime:
        handle = await runtime.start("s", "model_pull", {"repo_id": "org/m0"})
        runtime.get(DownloadManager).pull("org/m1", session_id="s")
        await sent(models, MIB)
        records = await pulls(runtime)

    assert len(records) == 2
    assert (handle.record.state, handle.record.cancel_actor) == (TaskState.CANCELLED, "host stopped")


async def test_what_a_stop_has_cancelled_is_not_gone_on_with(models: LocalHub, tmp_path: Path) -> None:
    async with running(tmp_path, on_stop="cancel") as runtime:
        handle = await runtime.start("s", "model_pull", {"repo_id": "org/m0"})
        await sent(models, MIB)
    assert handle.record.state is TaskState.CANCELLED
    models.clear_log()

    async with running(tmp_path) as runtime:
        assert (await runtime.get(DownloadManager).get_queue_snapshot()).items == ()
        assert [record.state for record in await every_record(runtime, "s")] == [TaskState.CANCELLED]
    assert models.exchanges(origin=Origin.CDN) == []


async def test_a_pull_that_was_handed_to_another_session_goes_on_there(
    models: LocalHub, tmp_path: Path
) -> None:
    async with running(tmp_path) as runtime:
        handle = runtime.get(DownloadManager).pull("org/m0", session_id="s")
        await sent(models, MIB)
        await runtime.tasks.transfer(handle.request_id, "t")
    models.clear_faults()

    async with running(tmp_path) as runtime:
        [record] = await every_record(runtime, "t")
        assert (record.id, record.state) == (handle.request_id, TaskState.COMPLETED)
        assert len(await runtime.tasks.list_managed("s")) == 0


async def test_a_pull_that_is_cancelled_before_it_is_run_again_stops_its_download(
    models: LocalHub, tmp_path: Path
) -> None:
    class Impatient:
        requires = ("model_pull",)

        @hookimpl
        async def on_startup(self, runtime: Runtime) -> None:
            for record in await pulls(runtime):
                await runtime.tasks.request_cancel(record.id, "not wanted any more")

    async with running(tmp_path) as runtime:
        runtime.get(DownloadManager).pull("org/m0", session_id="s")
        await sent(models, MIB)

    async with running(tmp_path, [Impatient()]) as runtime:
        manager = runtime.get(DownloadManager)
        async with manager.subscribe() as events:
            while (await manager.get_queue_snapshot()).items:
                await anext(events)
        [record] = await every_record(runtime, "s")
        assert (record.state, record.cancel_reason) == (TaskState.CANCELLED, "not wanted any more")


async def test_a_pull_that_has_ended_is_not_begun_again_by_an_older_queue(
    models: LocalHub, tmp_path: Path
) -> None:
    async with running(tmp_path) as runtime:
        handle = runtime.get(DownloadManager).pull("org/m0", session_id="s")
        await sent(models, MIB)
    shutil.copy(tmp_path / "downloads.json", tmp_path / "older")
    models.clear_faults()
    async with running(tmp_path) as runtime:
        [done] = await every_record(runtime, "s")
    shutil.move(tmp_path / "older", tmp_path / "downloads.json")

    async with running(tmp_path) as runtime:
        assert (await runtime.get(DownloadManager).get_queue_snapshot()).items == ()
        assert await runtime.tasks.get(handle.request_id) == done


async def test_a_pull_that_was_still_looking_for_its_model_is_looked_for_again(
    models: LocalHub, tmp_path: Path
) -> None:
    slow = models.fault(Fault(origin=Origin.HUB, stall_after=0, path="/tree/"))
    async with running(tmp_path) as runtime:
        handle = runtime.get(DownloadManager).pull("org/m0", session_id="s")
        assert await anyio.to_thread.run_sync(lambda: models.wait_until_stalled(timeout=60.0))
    slow.disarm()
    models.release()
    models.clear_faults()

    async with running(tmp_path) as runtime:
        [record] = await every_record(runtime, "s")
        assert (record.id, record.state) == (handle.request_id, TaskState.COMPLETED)
