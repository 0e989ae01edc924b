"""Requests, groups and the queue at work on a real hub; a code in a name is a defect of another system."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from hostel.plugins.model_pull import _downloads
from hostel.plugins.model_pull._errors import IntegrityFailed, InvalidQuantization, NoSpace, PullError
from hostel.plugins.model_pull._events import (
    Cancelled,
    Completed,
    DownloadEvent,
    DownloadStatus,
    Failed,
    GroupEvent,
    Progress,
    QueueSnapshot,
    StatusChanged,
)
from hostel.plugins.model_pull._feed import Subscription
from hostel.plugins.model_pull._handle import DuplicateRequest, PullCancelled
from hostel.plugins.model_pull._manager import DownloadManager
from hostel.plugins.model_pull._queue import NotInQueue, Queue, QueueFull
from hostel.plugins.model_pull._request import DownloadId, DownloadRequest
from hostel.plugins.model_pull._runs import Ending
from hostel.plugins.model_pull._store import QueueStore
from hostel.plugins.model_pull.testing import Blob, Fault, LocalHub, Origin
from hostel.sessions import LocalBackgroundTaskHost, TaskState

MIB = 1 << 20
Files = dict[str, bytes | Blob]


def shards(*sizes: int, label: str = "Q8_0", seed: int = 1) -> Files:
    count = len(sizes)
    return {
        f"m-{label}-{number:05}-of-{count:05}.gguf": Blob(size=size, seed=seed * 100 + number)
        for number, size in enumerate(sizes, 1)
    }


def single(size: int = MIB, label: str = "Q8_0", seed: int = 1) -> Files:
    return {f"m-{label}.gguf": Blob(size=size, seed=seed)}


def slow(hub: LocalHub, bps: int = 2 * MIB, path: str | None = None) -> None:
    hub.fault(Fault(origin=Origin.CDN, bps=bps, path=path))


def partials(home: Path) -> list[Path]:
    return list(home.rglob("*.hostel.part"))


def blobs(home: Path) -> list[Path]:
    return [path for path in home.rglob("blobs/*") if path.is_file()]


class Scene:
    """A host, a manager and everything the manager told."""

    def __init__(self, host: LocalBackgroundTaskHost, manager: DownloadManager, reader: Subscription) -> None:
        self.host, self.manager, self._reader = host, manager, reader
        self.events: list[DownloadEvent] = []

    async def until(self, condition: Callable[[DownloadEvent], bool]) -> DownloadEvent:
        """Read events up to one that meets the condition."""
        with anyio.fail_after(15):
            async for event in self._reader:
                self.events.append(event)
                if condition(event):
                    return event
        raise AssertionError("the feed ended")

    async def until_moving(self, id: str, done: int = 1) -> None:
        await self.until(
            lambda event: isinstance(event, Progress) and event.id == id and event.downloaded >= done
        )

    async def until_ended(self, id: str) -> DownloadEvent:
        return await self.until(
            lambda event: isinstance(event, GroupEvent) and event.id == id and event.terminal
        )


@asynccontextmanager
async def scene(data_dir: Path | None = None, slots: int = 2, size: int = 10) -> AsyncIterator[Scene]:
    async with LocalBackgroundTaskHost() as host:
        manager = DownloadManager(host, data_dir=data_dir, max_concurrent=slots, max_queue_size=size)
        async with manager, manager.subscribe() as reader:
            with anyio.fail_after(30):
                yield Scene(host, manager, reader)


async def sessions_states(host: LocalBackgroundTaskHost, session: str) -> list[TaskState]:
    return [record.state for record in await host.list_managed(session)]


async def test_a_pull_is_a_managed_task_whose_id_is_known_at_once(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        handle = on.manager.pull("org/m", session_id="s1")
        request_id = handle.request_id

        path = await handle

        assert path.name == "m-Q8_0.gguf"
        [record] = await on.host.list_managed("s1")
        assert (request_id, "model_pull", TaskState.COMPLETED) == (record.id, record.kind, record.state)
        assert record.result is not None
        assert str(path) == record.result.value
        assert record.progress is not None
        assert (record.progress.done, record.progress.total, record.progress.unit) == (MIB, MIB, "bytes")
        assert path == await handle


async def test_a_handle_that_nobody_awaits_changes_nothing(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        on.manager.pull("org/m")
        assert isinstance(await on.until_ended("org/m:Q8_0"), Completed)


async def test_two_callers_share_one_transfer_and_both_are_served(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    slow(hub, 8 * MIB)
    async with scene() as on:
        first = on.manager.pull("org/m", session_id="a")
        await on.until_moving("org/m:Q8_0")
        second = on.manager.pull("org/m:Q8_0", session_id="b")

        assert await first == await second
        assert first.request_id != second.request_id
    assert hub.bytes_sent(origin=Origin.CDN) <= 4 * MIB


async def test_a_joiner_is_told_at_once_how_far_it_is(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    slow(hub)
    async with scene() as on:
        first = on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0", MIB)
        told: list[Progress] = []
        joined = anyio.Event()

        def note(news: Progress) -> None:
            told.append(news)
            joined.set()

        on.manager.pull("org/m", on_progress=note)
        await joined.wait()

        assert told[0].downloaded >= MIB
        await on.manager.cancel(model_id="org/m")
        with pytest.raises(PullCancelled):
            await first


async def test_q_cancelling_one_request_does_not_touch_the_other(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    slow(hub, 4 * MIB)
    async with scene() as on:
        stays = on.manager.pull("org/m", session_id="a")
        leaves = on.manager.pull("org/m", session_id="b")
        await on.until_moving("org/m:Q8_0")

        receipt = await on.manager.cancel(request_id=leaves.request_id)

        assert (receipt.matched, receipt.newly_cancelled, receipt.already_terminal) == (1, 1, 0)
        with pytest.raises(PullCancelled, match=leaves.request_id):
            await leaves
        assert (await stays).exists()
        assert await sessions_states(on.host, "b") == [TaskState.CANCELLED]


async def test_the_last_to_leave_stops_the_transfer_and_the_partial_stays(
    hub: LocalHub, own_home: Path
) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub, 4 * MIB)
    async with scene() as on:
        both = [on.manager.pull("org/m") for _ in range(2)]
        await on.until_moving("org/m:Q8_0", MIB)
        for handle in both:
            await on.manager.cancel(request_id=handle.request_id)
        sent = hub.bytes_sent(origin=Origin.CDN)
        assert isinstance(await on.until_ended("org/m:Q8_0"), Cancelled)

        assert len(partials(own_home)) == 1
        hub.clear_faults()
        assert (await on.manager.pull("org/m")).exists()
        assert hub.bytes_sent(origin=Origin.CDN) - sent < 8 * MIB


async def test_q7_clear_cache_in_the_middle_drops_what_the_last_to_leave_has_fetched(
    hub: LocalHub, own_home: Path
) -> None:
    hub.add_repo("org/m", shards(MIB, 8 * MIB))
    slow(hub, 4 * MIB, "00002-of")
    async with scene() as on:
        handle = on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0", 2 * MIB)

        await on.manager.cancel(request_id=handle.request_id, clear_cache=True)

        assert blobs(own_home) == []


async def test_q8_a_wish_to_discard_is_dropped_when_somebody_else_needs_the_bytes(
    hub: LocalHub, own_home: Path
) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub, 4 * MIB)
    async with scene() as on:
        discards, pauses = (on.manager.pull("org/m") for _ in range(2))
        await on.until_moving("org/m:Q8_0", MIB)

        await on.manager.cancel(request_id=discards.request_id, clear_cache=True)
        await on.manager.cancel(request_id=pauses.request_id)

        assert len(partials(own_home)) == 1


async def test_a_cancel_before_the_start_is_honoured(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        handle = on.manager.pull("org/m")
        receipt = await on.manager.cancel(request_id=handle.request_id)

        assert receipt.newly_cancelled == 1
        with pytest.raises(PullCancelled):
            await handle
    assert hub.exchanges(origin=Origin.CDN) == []


async def test_a_cancel_that_is_faster_than_its_request_is_remembered(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        receipt = await on.manager.cancel(request_id="later")
        assert receipt.matched == 0

        with pytest.raises(PullCancelled):
            await on.manager.pull("org/m", request_id="later")
        assert (await on.manager.pull("org/m", request_id="later")).exists()


async def test_q8_a_cancel_before_the_start_discards_what_an_earlier_pull_left(
    hub: LocalHub, own_home: Path
) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub, 4 * MIB)
    async with scene() as on:
        first = on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0", MIB)
        await on.manager.cancel(request_id=first.request_id)
        assert partials(own_home)

        await on.manager.cancel(request_id="later", clear_cache=True)
        with pytest.raises(PullCancelled):
            await on.manager.pull("org/m", request_id="later")

        assert partials(own_home) == []


async def test_cancelling_twice_is_the_same_as_once(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub)
    async with scene() as on:
        handle = on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0")
        first = await on.manager.cancel(request_id=handle.request_id)
        again = await on.manager.cancel(request_id=handle.request_id)

        assert (first.newly_cancelled, first.already_terminal) == (1, 0)
        assert (again.newly_cancelled, again.already_terminal) == (0, 1)


async def test_q9_a_broad_cancel_by_model_stops_that_models_downloads_and_no_other(hub: LocalHub) -> None:
    hub.add_repo("org/m", {**single(8 * MIB), **single(8 * MIB, "Q4_K_M", seed=2)})
    hub.add_repo("org/n", single(MIB, seed=3))
    slow(hub)
    async with scene() as on:
        doomed = [on.manager.pull(f"org/m:{label}", session_id="a") for label in ("Q8_0", "Q4_K_M")]
        other = on.manager.pull("org/n", session_id="b")
        await on.until_moving("org/m:Q4_K_M")

        receipt = await on.manager.cancel(model_id="org/m")

        assert receipt.newly_cancelled == 2
        for handle in doomed:
            with pytest.raises(PullCancelled):
                await handle
        hub.clear_faults()
        assert (await other).exists()


async def test_cancel_wants_one_kind_of_id(hub: LocalHub) -> None:
    async with scene() as on:
        with pytest.raises(ValueError, match="either"):
            await on.manager.cancel()


async def test_q6_asking_while_a_transfer_stops_waits_instead_of_writing_twice(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    slow(hub, 4 * MIB)
    async with scene() as on:
        first = on.manager.pull("org/m")
        await on.until_moving("org/m:Q8_0", MIB)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: on.manager.cancel(request_id=first.request_id))
            second = on.manager.pull("org/m")

        assert (await second).stat().st_size == 4 * MIB
        with pytest.raises(PullCancelled):
            await first


async def test_car_a_callback_that_raises_is_dropped_and_harms_nobody(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(2 * MIB))
    slow(hub, 4 * MIB)
    told: list[Progress] = []
    async with scene() as on:

        def broken(news: Progress) -> None:
            raise RuntimeError("my display is gone")

        bad = on.manager.pull("org/m", on_progress=broken)
        good = on.manager.pull("org/m", on_progress=told.append)

        assert await bad == await good
        assert isinstance(bad.callback_error, RuntimeError)
        assert told[-1].downloaded == 2 * MIB


async def test_car_a_callback_that_never_returns_holds_up_nobody_else(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(MIB))
    async with scene() as on:

        async def stuck(news: Progress) -> None:
            await anyio.sleep_forever()

        held = on.manager.pull("org/m", on_progress=stuck)
        assert (await on.manager.pull("org/m")).exists()
        assert isinstance(await on.until_ended("org/m:Q8_0"), Completed)
        await on.manager.cancel(request_id=held.request_id)


async def test_a_request_id_in_use_is_refused(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub)
    async with scene() as on:
        on.manager.pull("org/m", request_id="r")
        with pytest.raises(DuplicateRequest):
            on.manager.pull("org/m", request_id="r")
        await on.manager.cancel(request_id="r")


async def test_cancelling_the_task_through_its_host_leaves_the_download(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub)
    async with scene() as on:
        handle = on.manager.pull("org/m", session_id="s")
        await on.until_moving("org/m:Q8_0")

        record = await on.host.cancel_managed("s", handle.request_id)

        assert record is not None
        assert TaskState.CANCELLED is record.state
        assert isinstance(await on.until_ended("org/m:Q8_0"), Cancelled)
        assert await on.manager.active_count() == 0


async def test_a_request_follows_its_task_to_another_session(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(8 * MIB))
    slow(hub)
    async with scene() as on:
        handle = on.manager.pull("org/m", session_id="a")
        await on.until_moving("org/m:Q8_0")
        await on.host.transfer_managed("a", "b", [handle.request_id])

        assert handle.session_id == "b"
        receipt = await on.manager.cancel(request_id=handle.request_id)
        assert receipt.newly_cancelled == 1


async def test_g1_a_failed_transfer_is_told_and_noted_and_fails_its_task(hub: LocalHub) -> None:
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


async def test_g2_a_failed_shard_fails_its_group_and_stops_the_others(hub: LocalHub) -> None:
    hub.add_repo("org/m", shards(*[2 * MIB] * 6))
    hub.fault(Fault(origin=Origin.CDN, path="00001-of", corrupt_at=5))
    slow(hub, MIB, "0000[2-6]-of")
    async with scene() as on:
        with pytest.raises(IntegrityFailed):
            await on.manager.pull("org/m")

        assert (await on.manager.active_count(), await on.manager.pending_count()) == (0, 0)
    assert hub.exchanges(origin=Origin.CDN, path="00006-of") == []


async def test_g3_cancelling_a_sharded_download_stops_all_its_shards(hub: LocalHub) -> None:
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
async def test_g4_a_group_is_cancelled_by_the_id_it_is_listed_under(hub: LocalHub, position: int) -> None:
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


async def test_g4_cancelling_an_unknown_group_says_that_nothing_matched() -> None:
    async with scene() as on:
        assert (await on.manager.cancel_group("nope")).matched == 0


async def test_g5_a_retry_fetches_only_what_is_missing(hub: LocalHub) -> None:
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


async def test_g6_force_holds_what_is_here_against_its_checksum(hub: LocalHub) -> None:
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


async def test_g6_the_revision_that_was_asked_for_is_the_one_that_comes(hub: LocalHub) -> None:
    old = hub.add_repo("org/m", single(MIB, seed=1))
    hub.commit("org/m", dict(single(MIB, seed=2)))
    async with scene() as on:
        path = await on.manager.pull(f"org/m@{old}")

        assert old == path.parent.name
        assert Blob(size=MIB, seed=1).read() == path.read_bytes()


@pytest.mark.parametrize("verb", ["queue_download", "queue_and_process"])
async def test_g7_every_way_into_the_queue_starts_the_download(hub: LocalHub, verb: str) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        name = await getattr(on.manager, verb)(DownloadRequest("org/m", "Q8_0"))

        assert DownloadId("org/m", "Q8_0") == name
        assert isinstance(await on.until_ended("org/m:Q8_0"), Completed)


async def test_g8_queue_smart_returns_the_real_place_and_the_number_of_shards(hub: LocalHub) -> None:
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


async def test_g9_as_many_run_at_once_as_there_are_slots(hub: LocalHub) -> None:
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


async def test_g10_a_duplicate_attaches_at_every_moment(hub: LocalHub) -> None:
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


async def test_g11_what_leaves_the_queue_is_told(hub: LocalHub) -> None:
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


async def test_g14_a_model_of_more_shards_than_the_queue_holds_is_pulled(hub: LocalHub) -> None:
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
        with pytest.raises(InvalidQuantization, match=r"there is no 'Q2_K'. It has Q4_K_M"):
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


async def test_g9_a_restart_restores_the_queue_and_goes_on(hub: LocalHub, tmp_path: Path) -> None:
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


async def test_the_limit_of_a_download_holds(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(2 * MIB))
    async with scene() as on:
        began = anyio.current_time()
        await on.manager.pull(DownloadRequest("org/m", limit=2 * MIB))

        assert anyio.current_time() - began > 0.7


async def test_who_shares_a_download_is_not_held_back_by_anothers_limit(hub: LocalHub) -> None:
    hub.add_repo("org/m", single(4 * MIB))
    async with scene() as on:
        began = anyio.current_time()
        patient = on.manager.pull(DownloadRequest("org/m", limit=MIB // 4))
        await on.until_moving("org/m:Q8_0")
        leaving = on.manager.pull(DownloadRequest("org/m", limit=MIB // 2))
        while not leaving.shared:
            await anyio.lowlevel.checkpoint()
        assert patient.limit == MIB // 2
        await on.manager.cancel(request_id=leaving.request_id)
        assert patient.limit == MIB // 4

        await on.manager.pull("org/m")
        await patient

        assert anyio.current_time() - began < 10


async def test_q13_a_cancel_that_comes_too_late_says_so_and_the_model_stays(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    async with scene() as on:
        handle = on.manager.pull("org/m")
        path = await handle

        receipt = await on.manager.cancel(request_id=handle.request_id, clear_cache=True)

        assert (receipt.newly_cancelled, receipt.already_terminal) == (0, 1)
        assert path.exists()


async def test_q14_a_cancel_while_the_hub_is_asked_ends_at_once_and_fetches_nothing(hub: LocalHub) -> None:
    hub.add_repo("org/m", single())
    hub.fault(Fault(path="/api/models/", first_byte_after=1.0, times=1))
    async with scene() as on:
        handle = on.manager.pull("org/m", session_id="s")
        while not hub.exchanges(path="/api/models/"):
            await anyio.lowlevel.checkpoint()

        with anyio.fail_after(0.5):
            await on.manager.cancel(request_id=handle.request_id)
        with pytest.raises(PullCancelled):
            await handle
    assert await anyio.to_thread.run_sync(lambda: hub.wait_until_sent(1, path="/api/models/"))
    assert hub.exchanges(path="/tree/") == []


async def test_car_every_event_of_a_download_names_it_and_counts_in_bytes(hub: LocalHub) -> None:
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


async def test_a_handle_tells_what_was_chosen_and_whether_it_shared(hub: LocalHub) -> None:
    hub.add_repo("org/m", {**single(2 * MIB), **single(2 * MIB, "Q4_K_M", seed=2)})
    slow(hub, 4 * MIB)
    async with scene() as on:
        first = on.manager.pull("org/m")
        await on.until_moving("org/m:Q4_K_M")
        second = on.manager.pull("org/m")
        await first
        await second

        assert (first.shared, second.shared) == (False, True)
        assert first.pulled is not None
        assert first.pulled.choice is not None
        assert "first in the order of preference" in first.pulled.choice.why


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
    monkeypatch.setattr(_downloads, "NOTE_SECONDS", 0.1)
    hub.add_repo("org/m", single(8 * MIB))
    hub.fault(Fault(origin=Origin.CDN, bps=MIB))

    def noted(_: DownloadEvent) -> bool:
        queue = QueueStore(tmp_path).load() or Queue()
        return any(item.downloaded for item in queue.items)

    async with scene(tmp_path) as on:
        on.manager.pull("org/m")
        await on.until(noted)
