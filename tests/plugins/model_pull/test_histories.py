"""Any history of pulls, cancels, faults and restarts ends with the right bytes and nothing left over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.to_thread
import attrs
import pytest
from huggingface_hub import close_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostel.plugins.model_pull import (
    CancelReceipt,
    DownloadEvent,
    DownloadManager,
    DownloadRequest,
    GroupEvent,
    NotInQueue,
    PullHandle,
    QueueSnapshot,
    Subscription,
)
from hostel.plugins.model_pull.testing import MIB, Blob, Fault, LocalHub, Origin
from hostel.sessions import LocalBackgroundTaskHost
from hostel.sessions.states import TERMINAL

from .scene import scene, single, slow

SIZE = 300_000
MODELS = ("org/a", "org/b")
FAULTS = (
    Fault(origin=Origin.CDN, reset_after=100_000, times=2),
    Fault(origin=Origin.CDN, corrupt_at=1000, times=1),
    Fault(origin=Origin.CDN, status=503, retry_after=0, times=2),
    Fault(origin=Origin.CDN, status=404, times=1),
    Fault(origin=Origin.HUB, path="/api/", status=500, times=1),
    Fault(origin=Origin.CDN, bps=1_000_000),
)


def shard(model: str, number: int) -> Blob:
    return Blob(size=SIZE, seed=ord(model[-1]) * 10 + number)


@attrs.frozen
class Pull:
    model: str
    force: bool


@attrs.frozen
class Cancel:
    which: int
    clear_cache: bool


@attrs.frozen
class CancelModel:
    model: str


@attrs.frozen
class Retry:
    model: str


@attrs.frozen
class Break:
    fault: Fault


@attrs.frozen
class Wait:
    """For so many more bytes, or for a tenth of a second in which they do not come."""

    size: int


@attrs.frozen
class Reopen:
    pass


Step = Pull | Cancel | CancelModel | Retry | Break | Wait | Reopen
STEPS = st.lists(
    st.one_of(
        st.builds(Pull, st.sampled_from(MODELS), st.booleans()),
        st.builds(Pull, st.sampled_from(MODELS), st.just(False)),
        st.builds(Cancel, st.integers(0, 5), st.booleans()),
        st.builds(CancelModel, st.sampled_from(MODELS)),
        st.builds(Retry, st.sampled_from(MODELS)),
        st.builds(Break, st.sampled_from(FAULTS)),
        st.builds(Wait, st.sampled_from([1, 50_000, 500_000])),
        st.builds(Reopen),
    ),
    max_size=12,
)


@contextmanager
def served(patch: pytest.MonkeyPatch) -> Iterator[tuple[LocalHub, Path]]:
    with TemporaryDirectory() as home, LocalHub() as hub:
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        patch.setenv("HF_HOME", home)
        for model in MODELS:
            hub.add_repo(model, {f"m-Q8_0-0000{i}-of-00002.gguf": shard(model, i) for i in (1, 2)})
        yield hub, Path(home)
    close_session()


async def play(steps: list[Step], hub: LocalHub, home: Path, clearing: Callable[[], None]) -> None:
    left = list(steps)
    events: list[DownloadEvent] = []
    reopened = True
    while reopened:
        async with (
            LocalBackgroundTaskHost() as host,
            DownloadManager(host, data_dir=home, max_concurrent=1) as manager,
            anyio.create_task_group() as reading,
        ):
            reader = manager.subscribe()
            reading.start_soon(listen, reader, events)
            reopened = await play_until_reopened(left, hub, manager)
            if not reopened:
                clearing()
                await finish(manager)
                assert {record.state for record in await host.list_managed("downloads")} <= TERMINAL
            reader.close()
    check_stories(events)


async def listen(reader: Subscription, events: list[DownloadEvent]) -> None:
    events += [event async for event in reader]


async def play_until_reopened(left: list[Step], hub: LocalHub, manager: DownloadManager) -> bool:
    handles: list[PullHandle] = []
    while left:
        match left.pop(0):
            case Reopen():
                return True
            case Pull(model, force):
                handles.append(manager.pull(DownloadRequest(model, force=force)))
            case Cancel(which, clear_cache) if handles:
                receipt = await manager.cancel(
                    request_id=handles[which % len(handles)].request_id, clear_cache=clear_cache
                )
                assert receipt.newly_cancelled + receipt.already_terminal <= receipt.matched == 1
            case CancelModel(model):
                assert isinstance(await manager.cancel(model_id=model), CancelReceipt)
            case Retry(model):
                with suppress(NotInQueue):
                    await manager.retry(f"{model}:Q8_0")
            case Break(fault):
                hub.fault(fault)
            case Wait(size):
                sent = hub.bytes_sent() + size
                await anyio.to_thread.run_sync(partial(hub.wait_until_sent, sent, timeout=0.1))
    return False


async def finish(manager: DownloadManager) -> None:
    await manager.cancel_all()
    for model in MODELS:
        path = await manager.pull(model)
        for number in (1, 2):
            file = path.parent / f"m-Q8_0-0000{number}-of-00002.gguf"
            assert file.read_bytes() == shard(model, number).read()
    snapshot = await manager.get_queue_snapshot()
    assert (snapshot.items, snapshot.recent_failures) == ((), ())


def check_stories(events: list[DownloadEvent]) -> None:
    """Between one end of a download and the next there is a beginning: it runs, or stands in the queue."""
    ended: set[str] = set()
    for event in events:
        if isinstance(event, QueueSnapshot):
            # what is cancelled while it waits has told nothing itself; what has ended is in no later one
            ended -= {row.id for row in event.items}
        elif isinstance(event, GroupEvent):
            if event.type in ("status_changed", "started"):
                ended.discard(event.id)
            assert event.id not in ended, f"{event} comes after an end"
            if event.terminal:
                ended.add(event.id)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_any_history_ends_with_the_right_bytes_and_nothing_left_over(loop: str) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(STEPS)
    def holds(steps: list[Step]) -> None:
        with pytest.MonkeyPatch.context() as patch, served(patch) as (hub, home):

            async def bounded() -> None:
                with anyio.fail_after(60):
                    await play(steps, hub, home, hub.clear_faults)

            anyio.run(bounded, backend=loop)
            left = [path for path in home.rglob("*") if ".hostel." in path.name]
            assert left == []

    holds()


async def test_a_download_that_is_cancelled_while_it_waits_was_told_to_be_queued(hub: LocalHub) -> None:
    hub.add_repo("org/a", single(8 * MIB, seed=1))
    hub.add_repo("org/b", single(8 * MIB, seed=2))
    slow(hub)
    async with scene(slots=1) as on:
        on.manager.pull("org/b")
        await on.until_moving("org/b:Q8_0")
        await on.manager.cancel(model_id="org/b")
        await on.until_ended("org/b:Q8_0")
        on.manager.pull("org/a")
        await on.until_moving("org/a:Q8_0")
        on.manager.pull("org/b")
        await on.until(lambda event: isinstance(event, QueueSnapshot) and event.pending_count == 1)
        await on.manager.cancel(model_id="org/b")
        await on.until_ended("org/b:Q8_0")

        check_stories(on.events)
