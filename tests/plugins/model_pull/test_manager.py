"""Groups and the queue at work on a real hub; a code in a name is a defect of another system."""

import math

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from hostel.plugins.model_pull import (
    Cancelled,
    Completed,
    DownloadId,
    DownloadManager,
    DownloadRequest,
    DownloadStatus,
    Ending,
    Failed,
    GroupEvent,
    IntegrityFailed,
    InvalidQuantization,
    NoSpace,
    NotInQueue,
    Progress,
    PullError,
    QueueFull,
    QueueSnapshot,
    StatusChanged,
)
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin
from hostel.sessions import LocalBackgroundTaskHost, SessionClosing, TaskState

from .scene import scene, sessions_states, shards, single, slow


async def test_a_failed_transfer_is_told_and_noted_and_fails_its_task(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    hub.fault(Fault(origin=Origin.CDN, corrupt_at=5))
    async with scene() as on:
        handle = on.manager.pull("org/m", session_id="s")
        with pytest.raises(IntegrityFailed):
            await handle

        ended = await on.until_ended("org/m:Q8_0")
        assert isinstance(ended, Failed)
        assert (ended.kind, ended.recoverable) == ("IntegrityFailed", False)
        [row] = (await on.manager.get_queue_snapshot()).recent_failures
        assert (row.id, row.kind, row.attempts) == ("org/m:Q8_0", "IntegrityFailed", 1)
        assert row.failed_at > 1.7e9
        assert await sessions_states(on.host, "s") == [TaskState.FAILED]


async def test_a_failed_shard_fails_its_group_and_stops_the_others(hub: LocalHub) -> None:
    hub.add_repo("org/m", shards(*[2 * MIB] * 6))
    hub.fault(Fault(origin=Origin.CDN, path="00001-of", corrupt_at=5))
    slow(hub, MIB, "0000[2-6]-of")
    async with scene() as on:
        with pytest.raises(IntegrityFailed):
            await on.manager.pull("org/m")

        assert (await on.manager.active_count(), await on.manager.pending_count()) == (0, 0)
    assert hub.exchanges(origin=Origin.CDN, path="00006-of") == []


async def test_cancelling_a_sharded_download_stops_all_its_shards(hub: LocalHub) -> None:
    hub.add_repo("org/m", shards(*[2 * MIB] * 6))
    slow(hub, MIB)
    async with scene() as on:
        on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0", MIB // 2)

        await on.manager.cancel_download("org/m:Q8_0")

        assert isinstance(await on.until_ended("org/m:Q8_0"), Cancelled)
        assert await on.manager.active_count() == 0
    assert hub.exchanges(origin=Origin.CDN, path="00006-of") == []


@pytest.mark.parametrize("position", [0, 1])
async def test_a_group_is_cancelled_by_the_id_it_is_listed_under(hub: LocalHub, position: int) -> None:
    hub.add_repo("org/m", shards(4 * MIB, 4 * MIB))
    hub.add_repo("org/n", shards(4 * MIB, 4 * MIB, seed=2))
    slow(hub, MIB)
    async with scene(slots=1) as on:
        for model in ("org/m", "org/n"):
            await on.manager.queue_smart(model)
        row = (await on.manager.get_queue_snapshot()).items[position]

        receipt = await on.manager.cancel_group(row.group_id)

        assert receipt.newly_cancelled == 1
        assert row.id not in [item.id for item in (await on.manager.get_queue_snapshot()).items]


async def test_cancelling_an_unknown_group_says_that_nothing_matched() -> None:
    async with scene() as on:
        assert (await on.manager.cancel_group("nope")).matched == 0


async def test_a_retry_fetches_only_what_is_missing(hub: LocalHub) -> None:
    hub.add_repo("org/m", shards(MIB, 2 * MIB))
    broken = hub.fault(Fault(origin=Origin.CDN, path="00002-of", corrupt_at=5, bps=4 * MIB))
    async with scene() as on:
        with pytest.raises(IntegrityFailed):
            await on.manager.pull("org/m")
        await on.until_ended("org/m:Q8_0")
        broken.disarm()
        hub.clear_log()

        position = await on.manager.retry("org/m:Q8_0")

        assert position == 1
        assert isinstance(await on.until_ended("org/m:Q8_0"), Completed)
        assert (await on.manager.get_queue_snapshot()).recent_failures == ()
    assert hub.exchanges(origin=Origin.CDN, path="00001-of") == []


async def test_a_retry_that_is_refused_says_so_and_keeps_the_failure(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    broken = hub.fault(Fault(origin=Origin.CDN, corrupt_at=5))
    async with scene() as on, anyio.create_task_group() as closing:
        with pytest.raises(IntegrityFailed):
            await on.manager.pull("org/m", session_id="s")
        [before] = (await on.manager.get_queue_snapshot()).recent_failures
        broken.disarm()
        release = anyio.Event()
        await on.host.spawn_hidden("s", "holds the session open", release.wait)
        closing.start_soon(on.host.close_session, "s")
        await anyio.wait_all_tasks_blocked()

        with pytest.raises(SessionClosing):
            await on.manager.retry("org/m:Q8_0")

        assert (await on.manager.get_queue_snapshot()).recent_failures == (before,)
        assert await on.manager.active_count() + await on.manager.pending_count() == 0
        release.set()
        assert isinstance(await on.until_ended("org/m:Q8_0"), Failed)
        since = len(on.events)
        assert isinstance(await on.until_ended("org/m:Q8_0"), Cancelled)
        assert any(isinstance(event, QueueSnapshot) and event.items for event in on.events[since:])


async def test_a_senseless_rate_is_refused_and_ends_nothing(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    with pytest.raises(ValueError, match="rate"):
        DownloadManager(LocalBackgroundTaskHost(), rate_limit=math.inf)
    async with scene() as on:
        for rate in (math.inf, math.nan, -1):
            with pytest.raises(ValueError, match="rate"):
                on.manager.rate_limit = rate
        assert on.manager.rate_limit is None
        assert await on.manager.pull("org/m")


async def test_a_request_that_no_task_can_be_made_of_fails_alone(hub: LocalHub) -> None:
    class Broken(str):
        def lower(self) -> str:
            raise ValueError("a broken name")

    hub.add_repo("org/m", single())
    async with scene() as on:
        with pytest.raises(ValueError, match="a broken name"):
            await on.manager.pull(Broken("org/m"))

        assert await on.manager.pull("org/m")


async def test_force_holds_what_is_here_against_its_checksum(hub: LocalHub) -> None:
    hub.add_repo("org/m", shards(MIB, MIB))
    async with scene() as on:
        path = await on.manager.pull("org/m")
        blob = path.resolve()
        damaged = b"x" + blob.read_bytes()[1:]
        blob.write_bytes(damaged)
        hub.clear_log()

        await on.manager.pull(DownloadRequest("org/m", force=True))

        assert blob.read_bytes() != damaged
    assert hub.exchanges(origin=Origin.CDN, path="00002-of") == []


async def test_the_revision_that_was_asked_for_is_the_one_that_comes(hub: LocalHub) -> None:
    old = hub.add_repo("org/m", single(MIB, seed=1))
    hub.commit("org/m", dict(single(MIB, seed=2)))
    async with scene() as on:
        path = await on.manager.pull(f"org/m@{old}")

        assert old == path.parent.name
        assert Blob(size=MIB, seed=1).read() == path.read_bytes()


@pytest.mark.parametrize("verb", ["queue_download", "queue_and_process"])
async def test_every_way_into_the_queue_starts_the_download(hub: LocalHub, verb: str) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        name = await getattr(on.manager, verb)(DownloadRequest("org/m", "Q8_0"))

        assert DownloadId("org/m", "Q8_0") == name
        assert isinstance(await on.until_ended("org/m:Q8_0"), Completed)


async def test_queue_smart_returns_the_real_place_and_the_number_of_shards(hub: LocalHub) -> None:
    for number in range(3):
        hub.add_repo(f"org/m{number}", shards(*[MIB] * (number + 1), seed=number))
    slow(hub, MIB // 2)
    async with scene(slots=1) as on:
        assert [await on.manager.queue_smart(f"org/m{number}") for number in range(3)] == [
            (1, 1),
            (2, 2),
            (3, 3),
        ]
        assert (await on.manager.cancel_all()).newly_cancelled == 3


async def test_as_many_run_at_once_as_there_are_slots(hub: LocalHub) -> None:
    for number in range(3):
        hub.add_repo(f"org/m{number}", single(2 * MIB, seed=number))
    slow(hub, MIB)
    async with scene(slots=2) as on:
        handles = [on.manager.pull(f"org/m{number}") for number in range(3)]
        await on.until(lambda event: isinstance(event, QueueSnapshot) and len(event.items) == 3)

        assert (await on.manager.active_count(), await on.manager.pending_count()) == (2, 1)
        hub.clear_faults()
        for handle in handles:
            assert (await handle).exists()


async def test_a_duplicate_attaches_at_every_moment(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(2 * MIB))
    slow(hub, 4 * MIB)
    async with scene(slots=1) as on:
        handles = [on.manager.pull("org/m") for _ in range(5)]
        assert await on.manager.queue_smart("org/m") in [(1, 1), (0, 1)]
        for _ in range(5):
            handles.append(on.manager.pull("org/m:Q8_0"))
            await anyio.lowlevel.checkpoint()

        assert len({await handle for handle in handles}) == 1
    assert hub.bytes_sent(origin=Origin.CDN) <= 2 * MIB


async def test_what_leaves_the_queue_is_told(hub: LocalHub) -> None:
    for model in ("org/m", "org/n"):
        hub.add_repo(model, single(4 * MIB, seed=hash(model) % 99))
    slow(hub, MIB)
    async with scene(slots=1) as on:
        for model in ("org/m", "org/n"):
            await on.manager.queue_smart(model)

        await on.manager.remove_from_queue("org/n:Q8_0")

        assert isinstance(await on.until_ended("org/n:Q8_0"), Cancelled)
        await on.until(lambda event: isinstance(event, QueueSnapshot) and len(event.items) == 1)
        await on.manager.set_max_queue_size(7)
        await on.until(lambda event: isinstance(event, QueueSnapshot) and event.max_size == 7)
        with pytest.raises(NotInQueue):
            await on.manager.remove_from_queue("org/m:Q8_0")
        await on.manager.cancel_all()


async def test_a_model_of_more_shards_than_the_queue_holds_is_pulled(hub: LocalHub) -> None:
    hub.add_repo("org/m", shards(*[1000] * 11))
    async with scene(size=1) as on:
        assert (await on.manager.pull("org/m")).exists()


async def test_a_full_queue_refuses_one_more_and_takes_what_is_here(hub: LocalHub) -> None:
    for number in range(3):
        hub.add_repo(f"org/m{number}", single(4 * MIB, seed=number))
    async with scene(size=1) as on:
        await on.manager.pull("org/m2")
        slow(hub, MIB)
        await on.manager.queue_smart("org/m0")
        with pytest.raises(QueueFull):
            await on.manager.queue_smart("org/m1")
        with pytest.raises(QueueFull):
            await on.manager.pull("org/m1")

        assert (await on.manager.pull("org/m2")).exists()
        assert await on.manager.queue_smart("org/m2") == (0, 1)
        await on.manager.cancel_all()


async def test_reordering_returns_the_place_and_decides_who_is_next(hub: LocalHub) -> None:
    for number in range(4):
        hub.add_repo(f"org/m{number}", single(MIB, seed=number))
    slow(hub, MIB // 2, "m0|.")
    async with scene(slots=1) as on:
        for number in range(4):
            await on.manager.queue_smart(f"org/m{number}")

        assert await on.manager.reorder_queue("org/m3:Q8_0", 1) == 2
        assert await on.manager.reorder_queue(DownloadId("org/m1", "Q8_0"), 99) == 4

        order = [item.id for item in (await on.manager.get_queue_snapshot()).items]
        assert [f"org/m{number}:Q8_0" for number in (0, 3, 2, 1)] == order
        hub.clear_faults()
        await on.until_ended("org/m1:Q8_0")
        ends = [event.id for event in on.events if isinstance(event, Completed)]
        assert order == ends


async def test_the_verbs_about_the_queue_agree_with_its_snapshot(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    slow(hub, MIB)
    async with scene() as on:
        await on.manager.queue_smart("org/m", "q8_0")
        await on.until_moving("org/m:Q8_0", MIB // 2)

        [row] = (await on.manager.get_queue_snapshot()).items
        assert (
            row.model_id,
            row.quantization,
            row.position,
            row.status,
        ) == ("org/m", "Q8_0", 1, DownloadStatus.DOWNLOADING)
        assert (row.total, row.shard_count) == (4 * MIB, 1)
        assert row.percent is not None
        assert 0 < row.percent < 100
        assert await on.manager.has_download("org/m:Q8_0")
        assert await on.manager.get_max_queue_size() == 10
        assert (await on.manager.cancel_download(DownloadId("org/m", "Q8_0"))).newly_cancelled == 1
        assert not await on.manager.has_download("org/m:Q8_0")
        assert (await on.manager.cancel_download("org/m:Q8_0")).matched == 0


async def test_a_quantization_that_is_not_there_is_refused_when_it_is_queued(hub: LocalHub) -> None:
    hub.add_repo("org/m", {**single(), **single(label="Q4_K_M")})
    async with scene() as on:
        with pytest.raises(InvalidQuantization, match=r"there is no 'Q2_K', did you mean Q4_K_M\? It has"):
            await on.manager.queue_smart("org/m", "Q2_K")
        assert len((await on.manager.get_queue_snapshot()).items) == 0


async def test_failures_can_be_forgotten(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    hub.fault(Fault(origin=Origin.CDN, corrupt_at=5))
    async with scene() as on:
        with pytest.raises(IntegrityFailed):
            await on.manager.pull("org/m")
        assert await on.manager.has_download("org/m:Q8_0")
        await on.manager.clear_failed()

        assert not await on.manager.has_download("org/m:Q8_0")
        with pytest.raises(NotInQueue):
            await on.manager.retry("org/m:Q8_0")


async def test_a_run_is_summed_up_when_the_queue_comes_to_rest(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    hub.add_repo("org/bad", single(seed=2))
    hub.fault(Fault(origin=Origin.CDN, path="bad", corrupt_at=5))
    async with scene() as on:
        await on.manager.pull("org/m")
        await on.until(lambda event: isinstance(event, QueueSnapshot) and event.last_run is not None)
        first = (await on.manager.get_queue_snapshot()).last_run
        await on.manager.pull("org/m")
        second = (await on.manager.get_queue_snapshot()).last_run

        assert first is not None
        assert second is not None
        assert (first.attempts, second.attempts) == ({Ending.DOWNLOADED: 1}, {Ending.ALREADY_PRESENT: 1})
        assert first.run_id != second.run_id
        assert first.completed_at is not None


async def test_each_download_tells_one_end_and_nothing_after_it(hub: LocalHub) -> None:
    hub.add_repo("org/m", shards(MIB, MIB))
    hub.add_repo("org/n", single(8 * MIB, seed=5))
    slow(hub, 4 * MIB, "/n/|n-")
    async with scene() as on:
        await on.manager.pull("org/m")
        leaving = on.manager.pull("org/n")
        await on.until_moving("org/n:Q8_0")
        await on.manager.cancel(request_id=leaving.request_id)
        await on.until_ended("org/n:Q8_0")
        await on.manager.clear_failed()
        await on.until(lambda event: isinstance(event, QueueSnapshot))

        for id in ("org/m:Q8_0", "org/n:Q8_0"):
            told = [event for event in on.events if isinstance(event, GroupEvent) and event.id == id]
            assert [event.terminal for event in told] == [False] * (len(told) - 1) + [True]
            statuses = [event.status for event in told if isinstance(event, StatusChanged)]
            assert DownloadStatus.DOWNLOADING is statuses[0]


async def test_a_disk_without_room_refuses_before_the_first_byte_and_can_be_retried(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with LocalBackgroundTaskHost() as host, DownloadManager(host, cushion=2**60) as manager:
        with pytest.raises(NoSpace, match="to stay free"):
            await manager.pull("org/m")

        [row] = (await manager.get_queue_snapshot()).recent_failures
        assert row.recoverable
    assert hub.exchanges(origin=Origin.CDN) == []


async def test_a_wish_that_cannot_be_met_fails_its_task_with_one_sentence(hub: LocalHub) -> None:
    async with scene() as on:
        with pytest.raises(PullError, match="org/nope does not exist"):
            await on.manager.pull("org/nope", session_id="s")

        [record] = await on.host.list_managed("s")
        assert record.failure is not None
        assert "org/nope does not exist" in record.failure.message


async def test_two_commits_of_one_branch_are_two_downloads(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB, seed=1))
    slow(hub, 2 * MIB)
    async with scene() as on:
        old = on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0")
        hub.commit("org/m", dict(single(4 * MIB, seed=2)))
        new = on.manager.pull("org/m")
        hub.clear_faults()

        assert (await old).parent != (await new).parent
        assert Blob(size=4 * MIB, seed=2).read() == (await new).read_bytes()


async def test_every_event_of_a_download_names_it_and_counts_in_bytes(hub: LocalHub) -> None:
    hub.add_repo("org/tiny", {"m-Q8_0.gguf": Blob(size=3), "config.json": b"{}"})
    async with scene() as on:
        await on.manager.pull("org/tiny")
        await on.until_ended("org/tiny:Q8_0")

        told = [event for event in on.events if isinstance(event, GroupEvent)]
        assert {event.id for event in told} == {"org/tiny:Q8_0"}
        last = [event for event in told if isinstance(event, Progress)][-1]
        assert (last.downloaded, last.total) == (5, 5)


async def test_other_files_of_a_model_are_another_download(hub: LocalHub) -> None:
    hub.add_repo("org/m", {**single(), "notes.md": b"#"})
    async with scene() as on:
        usual = await on.manager.queue_download(DownloadRequest("org/m"))
        special = await on.manager.queue_download(DownloadRequest("org/m", include=("*.md",)))

        assert usual.variant is None
        assert special.variant is not None
        assert isinstance(await on.until_ended(str(special)), Completed)


async def test_a_reader_that_stops_reading_holds_up_nobody(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on, on.manager.subscribe():
        assert (await on.manager.pull("org/m")).exists()
