"""What a manager leaves behind when it ends, and what the next one makes of it."""

from pathlib import Path

import pytest

from hostel.plugins.model_pull import (
    Completed,
    DownloadEvent,
    DownloadManager,
    IntegrityFailed,
    Progress,
    PullCancelled,
)
from hostel.plugins.model_pull._queue import scheduler
from hostel.plugins.model_pull._queue.persistence import QueueStore
from hostel.plugins.model_pull._queue.queue import Queue
from hostel.plugins.model_pull.testing import MIB, Fault, LocalHub, Origin
from hostel.sessions import LocalBackgroundTaskHost, TaskState

from .scene import partials, scene, sessions_states, single, slow


async def test_a_manager_that_closes_stops_its_downloads_and_keeps_the_partial(
    hub: LocalHub, own_home: Path
) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub)
    async with LocalBackgroundTaskHost() as host:
        async with DownloadManager(host) as manager, manager.subscribe() as reader:
            handle = manager.pull("org/m", session_id="s")
            async for event in reader:
                if isinstance(event, Progress) and event.downloaded > MIB // 2:
                    break
        assert await sessions_states(host, "s") == [TaskState.CANCELLED]
        with pytest.raises(PullCancelled):
            await handle
        with pytest.raises(RuntimeError, match="not open"):
            manager.pull("org/m")
    assert partials(own_home)


async def test_an_error_in_the_block_of_a_manager_is_raised_as_it_is() -> None:
    async with LocalBackgroundTaskHost() as host:
        with pytest.raises(KeyError):
            async with DownloadManager(host):
                raise KeyError("mine")


async def test_a_restart_restores_the_queue_and_goes_on(hub: LocalHub, tmp_path: Path) -> None:
    for number in range(3):
        hub.add_repo(f"org/m{number}", single(4 * MIB, seed=number))
    slow(hub, MIB)
    async with scene(tmp_path, slots=1) as on:
        handle = on.manager.pull("org/m0", session_id="s")
        await on.until_moving("org/m0:Q8_0", MIB)
        await on.manager.queue_smart("org/m1")
        await on.manager.queue_smart("org/m2")
        await on.manager.reorder_queue("org/m2:Q8_0", 2)
    hub.clear_faults()
    hub.clear_log()

    async with scene(tmp_path, slots=1) as on:
        assert [item.id for item in (await on.manager.get_queue_snapshot()).items] == [
            "org/m0:Q8_0",
            "org/m2:Q8_0",
            "org/m1:Q8_0",
        ]
        await on.until_ended("org/m1:Q8_0")
        record = await on.host.get(handle.request_id, session_id="s")
        assert record is not None
        assert TaskState.COMPLETED is record.state
    assert hub.bytes_sent(origin=Origin.CDN, path="m-Q8_0") < 12 * MIB


async def test_failures_and_the_size_of_the_queue_survive_a_restart(hub: LocalHub, tmp_path: Path) -> None:
    hub.add_repo("org/m", single())
    hub.fault(Fault(origin=Origin.CDN, corrupt_at=5))
    async with scene(tmp_path) as on:
        with pytest.raises(IntegrityFailed):
            await on.manager.pull("org/m")
        await on.manager.set_max_queue_size(33)

    async with scene(tmp_path) as on:
        [row] = (await on.manager.get_queue_snapshot()).recent_failures
        assert row.id == "org/m:Q8_0"
        assert await on.manager.get_max_queue_size() == 33


async def test_a_second_manager_of_the_same_folder_keeps_its_own_queue(hub: LocalHub, tmp_path: Path) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    slow(hub)
    async with scene(tmp_path) as first:
        await first.manager.queue_smart("org/m")
        async with scene(tmp_path) as second:
            assert (await second.manager.get_queue_snapshot()).items == ()
        await first.manager.cancel_all()


async def test_a_restart_goes_on_with_the_commit_that_was_begun(hub: LocalHub, tmp_path: Path) -> None:
    begun = hub.add_repo("org/m", single(8 * MIB, seed=1))
    slow(hub, 4 * MIB)
    async with scene(tmp_path) as on:
        on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0", MIB)
    hub.commit("org/m", dict(single(8 * MIB, seed=2)))
    hub.clear_faults()

    async with scene(tmp_path) as on:
        ended = await on.until_ended("org/m:Q8_0")
        assert isinstance(ended, Completed)
        assert Path(ended.path).parent.name == begun


async def test_a_manager_may_be_closed_after_its_host(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub)
    async with LocalBackgroundTaskHost() as host:
        manager = await DownloadManager(host).__aenter__()
        events = manager.subscribe()
        manager.pull("org/m")
        async for event in events:
            if isinstance(event, Progress):
                break
    await manager.__aexit__(None, None, None)


async def test_a_restart_keeps_the_quantization_that_was_chosen(hub: LocalHub, tmp_path: Path) -> None:
    hub.add_repo("org/m", {**single(8 * MIB, "Q4_K_M"), **single(MIB, "Q8_0", seed=2)})
    slow(hub, 4 * MIB)
    async with scene(tmp_path) as on:
        on.manager.pull("org/m")
        await on.until_moving("org/m:Q4_K_M", MIB)
    hub.clear_faults()

    async with (
        LocalBackgroundTaskHost() as host,
        DownloadManager(host, data_dir=tmp_path, preference=["Q8_0"]) as manager,
    ):
        [record] = await host.wait_all("downloads")
        assert record.result is not None
        assert str(record.result.value).endswith("m-Q4_K_M.gguf")
        assert not await manager.has_download("org/m:Q4_K_M")


async def test_how_far_a_download_is_is_on_disk_while_it_runs(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "NOTE_SECONDS", 0.1)
    hub.add_repo("org/m", single(8 * MIB))
    hub.fault(Fault(origin=Origin.CDN, bps=MIB))

    def noted(_: DownloadEvent) -> bool:
        queue = QueueStore(tmp_path).load() or Queue()
        return any(item.downloaded for item in queue.items)

    async with scene(tmp_path) as on:
        on.manager.pull("org/m")
        await on.until(noted)
