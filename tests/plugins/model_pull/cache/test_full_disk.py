"""A disk that fills up while models are on their way."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from hostel.plugins.model_pull import (
    PREFERENCE,
    Completed,
    DownloadEvent,
    DownloadManager,
    DownloadStatus,
    NoSpace,
    Notice,
    Progress,
    Pulled,
    PullError,
    PullOptions,
    StatusChanged,
    parse_reference,
    pull_once,
)
from hostel.plugins.model_pull._cache.disk_space import CHECK_SECONDS, DiskReservations, with_disk_space
from hostel.plugins.model_pull._engine import Fetched
from hostel.plugins.model_pull._once import builtin_sources
from hostel.plugins.model_pull._queue.plan import plan_pull
from hostel.plugins.model_pull._queue.pull import carry_out
from hostel.plugins.model_pull._queue.shared_transfers import UNLIMITED
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin
from hostel.sessions import LocalBackgroundTaskHost, TaskState

SHARDS: dict[str, bytes | Blob] = {f"m-Q8_0-0000{i}-of-00002.gguf": Blob(10 * MIB, seed=i) for i in (1, 2)}
SIZE = 20 * MIB


def paused(event: DownloadEvent) -> bool:
    return isinstance(event, StatusChanged) and event.status is DownloadStatus.PAUSED


class Squatter:
    """Takes the room of the second shard when the first one moves, and gives it back when told to."""

    def __init__(self, disk: Path) -> None:
        self.file = disk / "squatter"

    def take(self, event: DownloadEvent) -> None:
        if isinstance(event, Progress) and event.downloaded and not self.file.exists():
            self.file.write_bytes(bytes(12 * MIB))

    def leave(self) -> None:
        self.file.write_bytes(b"")


async def pull(
    disk: Path, emit: Callable[[DownloadEvent], None], seconds: float = 20, reference: str = "org/m"
) -> Pulled:
    options = PullOptions(cache_dir=disk / "hub", preference=PREFERENCE)
    plan = await plan_pull(parse_reference(reference), builtin_sources(), options)
    return await carry_out(
        plan,
        UNLIMITED,
        emit,
        reservations=DiskReservations(cushion=0),
        files_at_once=1,
        room_patience=seconds,
    )


def is_right(pulled: Pulled) -> bool:
    return all(
        (pulled.snapshot / name).read_bytes() == content.read()
        for name, content in SHARDS.items()
        if isinstance(content, Blob)
    )


async def test_a_copy_of_local_files_waits_for_room_too(small_disk: Path, tmp_path: Path) -> None:
    for name, content in SHARDS.items():
        assert isinstance(content, Blob)
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / name).write_bytes(content.read())
    squatter, events = Squatter(small_disk), list[DownloadEvent]()

    def told(event: DownloadEvent) -> None:
        events.append(event)
        squatter.take(event)
        if paused(event):
            squatter.leave()

    with anyio.fail_after(60):
        assert is_right(await pull(small_disk, told, reference=str(tmp_path / "models")))
    assert any(map(paused, events))


async def test_it_pauses_and_goes_on_when_there_is_room(hub: LocalHub, small_disk: Path) -> None:
    hub.add_repo("org/m", SHARDS)
    hub.fault(Fault(origin=Origin.CDN, bps=16 * MIB))
    squatter, events = Squatter(small_disk), list[DownloadEvent]()

    def emit(event: DownloadEvent) -> None:
        events.append(event)
        squatter.take(event)
        if paused(event):
            squatter.leave()

    with anyio.fail_after(60):
        pulled = await pull(small_disk, emit)

    assert is_right(pulled)
    told = [event.status.value for event in events if isinstance(event, StatusChanged)]
    assert told[told.index("paused") + 1] == "downloading"
    assert told[-1] == "registering"
    [notice] = [event for event in events if isinstance(event, Notice)]
    assert "gguf waits for room" in notice.message
    counts = [event.downloaded for event in events if isinstance(event, Progress)]
    assert counts == sorted(counts)
    assert hub.bytes_sent(origin=Origin.CDN) < 1.5 * SIZE  # some of it was in buffers when it paused


async def test_when_patience_ends_the_partial_stays_and_the_next_pull_goes_on(
    hub: LocalHub, small_disk: Path
) -> None:
    hub.add_repo("org/m", SHARDS)
    slow = hub.fault(Fault(origin=Origin.CDN, bps=16 * MIB))
    squatter = Squatter(small_disk)
    with anyio.fail_after(60), pytest.raises(NoSpace) as caught:
        await pull(small_disk, squatter.take, seconds=0.2)

    assert caught.value.recoverable
    assert 0 < caught.value.needed < SIZE
    squatter.leave()
    slow.disarm()
    pulled = await pull(small_disk, squatter.take)
    assert pulled.cached + pulled.resumed >= 10 * MIB
    assert pulled.cached + pulled.resumed + pulled.fetched == SIZE
    assert is_right(pulled)


async def test_while_one_waits_for_room_the_queue_begins_nothing(hub: LocalHub, small_disk: Path) -> None:
    hub.add_repo("org/m", SHARDS)
    hub.add_repo("org/n", {"n-Q8_0.gguf": Blob(MIB, seed=2)})
    hub.fault(Fault(origin=Origin.CDN, bps=16 * MIB))
    squatter, order = Squatter(small_disk), list[str]()
    async with (
        LocalBackgroundTaskHost() as host,
        DownloadManager(host, cache_dir=small_disk / "hub", cushion=0, files_at_once=1) as manager,
        manager.subscribe() as events,
    ):
        with anyio.fail_after(60):
            handle = manager.pull("org/m", session_id="s")
            async for event in events:
                squatter.take(event)
                if paused(event):
                    manager.pull("org/n")
                elif await manager.pending_count() == 1 and squatter.file.stat().st_size:
                    [first, second] = (await manager.get_queue_snapshot()).items
                    assert (first.status, second.status) == (DownloadStatus.PAUSED, DownloadStatus.QUEUED)
                    while (await host.list_managed("s"))[0].state is not TaskState.WAITING:
                        await anyio.lowlevel.checkpoint()
                    squatter.leave()
                elif isinstance(event, Completed):
                    order.append(event.id)
                    if len(order) == 2:
                        break

    assert (await handle).exists()
    assert sorted(name.partition(":")[0] for name in order) == ["org/m", "org/n"]


@pytest.mark.parametrize(("needed", "enough"), [((30, 20, 10), True), ((30, 30, 30), False)])
async def test_patience_counts_from_the_last_byte_that_could_be_written(
    needed: tuple[int, ...], enough: bool, tmp_path: Path
) -> None:
    tries = [NoSpace(tmp_path / "blob", each, 0) for each in needed]
    told: list[NoSpace] = []

    async def fetch() -> Fetched:
        if tries:
            raise tries.pop(0)
        return Fetched(tmp_path / "blob", 1)

    with nullcontext() if enough else pytest.raises(NoSpace):
        await with_disk_space(fetch, seconds=2.5 * CHECK_SECONDS / 2, on_short=told.append)

    assert len(told) == (3 if enough else 2)


async def test_without_patience_a_full_disk_ends_the_pull_at_once(hub: LocalHub, small_disk: Path) -> None:
    hub.add_repo("org/m", SHARDS)
    squatter = Squatter(small_disk)
    hub.fault(Fault(origin=Origin.CDN, bps=16 * MIB))
    events: list[DownloadEvent] = []

    def emit(event: DownloadEvent) -> None:
        events.append(event)
        squatter.take(event)

    with pytest.raises(PullError):
        await pull(small_disk, emit, seconds=0)

    assert not any(map(paused, events))


async def test_a_model_that_does_not_fit_from_the_start_is_refused_and_waits_for_nothing(
    hub: LocalHub, small_disk: Path
) -> None:
    hub.add_repo("org/m", {"m-Q8_0.gguf": Blob(40 * MIB)})

    with anyio.fail_after(60), pytest.raises(NoSpace):
        await pull_once("org/m", PullOptions(cache_dir=small_disk), reservations=DiskReservations(cushion=0))

    assert hub.exchanges(origin=Origin.CDN) == []
