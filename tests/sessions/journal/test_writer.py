"""The way of events into a journal: what is waited for, what is gathered, what is told when writing fails."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from hostel.sessions import (
    EventType,
    LocalBackgroundTaskHost,
    Progress,
    TaskEvent,
    TaskHandle,
    TaskRecord,
    TaskSpec,
    TaskState,
)
from hostel.sessions._event_log.gaps import Forgotten, Page
from hostel.sessions._journal.protocol import Append, Finished, Forget, Kept, Summaries, TaskQuery, Unread
from hostel.sessions._journal.writer import coalesced
from hostel.sessions.journal import JournalError

from .histories import History

Changes = list[Append | Forget]


class HeldJournal:
    """Keeps batches in memory; each write waits to be let through, or fails."""

    def __init__(self) -> None:
        self.batches: list[Changes] = []
        self.arrived = anyio.Event()
        self.gate = anyio.Event()
        self.error: Exception | None = None

    @property
    def output_dir(self) -> None:
        return None

    async def open(self) -> tuple[list[Kept], int]:
        return [], 0

    async def write(self, changes: Sequence[Append | Forget]) -> None:
        self.arrived.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(list(changes))

    async def read(self, after: int, through: int, limit: int, known: Forgotten) -> Page:
        events = [change.event for batch in self.batches for change in batch if isinstance(change, Append)]
        wanted = [event for event in events if after < event.seq <= through]
        return Page(wanted[:limit], Forgotten())

    async def finished(self, query: TaskQuery) -> Finished:
        latest: dict[str, Kept] = {}
        for event in self.events:
            if event.record is not None:
                number = latest[event.task_id].number if event.task_id in latest else event.seq
                latest[event.task_id] = Kept(number, event.record)
        ended = [kept for kept in latest.values() if kept.record.is_terminal]
        wanted = [kept for kept in ended if query.task_id in (None, kept.record.id)]
        return Finished(wanted, max((event.seq for event in self.events), default=0))

    async def summaries(self) -> Summaries:
        return Summaries()

    async def value(self, seq: int) -> str | None:
        return None

    async def unread(self, session_id: str, consumer: str, limit: int) -> Unread:
        return Unread()

    async def acknowledge(self, session_id: str, consumer: str, seqs: Sequence[int], missed: int) -> None:
        pass

    async def known(self, numbers: Sequence[int]) -> set[int]:
        return set(numbers)

    async def prune(self, session_id: str | None, keep: int, before: float | None) -> list[int]:
        return []

    async def aclose(self) -> None:
        pass

    def hold(self) -> None:
        self.gate, self.arrived = anyio.Event(), anyio.Event()

    def let_through(self) -> None:
        self.gate.set()

    @property
    def events(self) -> list[TaskEvent]:
        return [change.event for batch in self.batches for change in batch if isinstance(change, Append)]


@asynccontextmanager
async def held_host(retain_events: int = 100) -> AsyncIterator[tuple[LocalBackgroundTaskHost, HeldJournal]]:
    journal = HeldJournal()
    with anyio.fail_after(60):
        async with LocalBackgroundTaskHost(journal, retain_events, stop_grace=0.2) as host:
            try:
                yield host, journal
            finally:
                journal.error = None
                journal.let_through()


@asynccontextmanager
async def calling(journal: HeldJournal) -> AsyncIterator[TaskGroup]:
    """Run callers beside the test; at its end their writes are let through."""
    async with anyio.create_task_group() as callers:
        try:
            yield callers
        finally:
            journal.let_through()


async def settle() -> None:
    for _ in range(20):
        await checkpoint()


async def test_a_registration_returns_when_it_is_durable_and_not_before() -> None:
    returned = []

    async def register() -> None:
        returned.append(await host.register("s", TaskSpec(id="a")))

    async with held_host() as (host, journal), calling(journal) as callers:
        callers.start_soon(register)
        await journal.arrived.wait()
        await settle()

        assert returned == []

    assert [record.id for record in returned] == ["a"]


async def test_a_body_does_not_start_before_its_registration_is_durable() -> None:
    started = anyio.Event()

    async def body() -> None:
        started.set()

    async with held_host() as (host, journal), calling(journal) as callers:
        callers.start_soon(host.spawn_managed, "s", TaskSpec(), body)
        await journal.arrived.wait()
        await settle()

        assert not started.is_set()
        journal.let_through()
        await started.wait()


async def test_a_handle_has_what_the_body_returned_even_if_that_was_before_its_starter_went_on() -> None:
    returned = object()
    handles: list[TaskHandle[object]] = []

    async def body() -> object:
        journal.let_through()
        return returned

    async def start() -> None:
        handles.append(await host.spawn_managed("s", TaskSpec(id="a"), body))

    async with held_host() as (host, journal):
        for _ in range(20):  # trio lets either go first
            async with anyio.create_task_group() as callers:
                journal.hold()
                callers.start_soon(start)
                await journal.arrived.wait()
                journal.let_through()
                await host.wait("a")
            assert await handles[-1].wait() is returned


async def test_a_session_is_waited_for_until_its_ends_are_durable() -> None:
    waited: list[TaskRecord] = []

    async def wait() -> None:
        waited.extend(await host.wait_all("s"))

    async with held_host() as (host, journal), calling(journal) as callers:
        journal.let_through()
        await host.register("s", TaskSpec(id="a"))
        journal.hold()
        callers.start_soon(host.complete, "a")
        await journal.arrived.wait()
        callers.start_soon(wait)
        await settle()

        assert waited == []

    assert [record.state for record in waited] == [TaskState.COMPLETED]


async def test_callers_who_come_while_a_batch_is_written_share_the_next_one() -> None:
    async with held_host() as (host, journal):
        async with calling(journal) as callers:
            callers.start_soon(host.register, "s", TaskSpec(id="first"))
            await journal.arrived.wait()
            for number in range(100):
                callers.start_soon(host.register, "s", TaskSpec(id=f"t{number}"))
            await settle()

        assert [len(batch) for batch in journal.batches] == [1, 100]


async def test_completing_again_waits_until_the_first_completion_is_durable() -> None:
    returned = []

    async def complete() -> None:
        returned.append(await host.complete("a"))

    async with held_host() as (host, journal), calling(journal) as callers:
        journal.let_through()
        await host.register("s", TaskSpec(id="a"))
        journal.hold()
        callers.start_soon(complete)
        await journal.arrived.wait()
        callers.start_soon(complete)
        await settle()

        assert returned == []

    assert [record.state for record in returned] == [TaskState.COMPLETED] * 2


async def test_the_second_use_of_an_idempotency_key_waits_for_the_first_registration() -> None:
    returned = []

    async def register() -> None:
        returned.append(await host.register("s", TaskSpec(idempotency_key="k")))

    async with held_host() as (host, journal), calling(journal) as callers:
        callers.start_soon(register)
        await journal.arrived.wait()
        callers.start_soon(register)
        await settle()

        assert returned == []

    assert returned[0] == returned[1]


async def test_a_subscriber_sees_an_event_when_it_is_durable_and_not_before() -> None:
    seen: list[EventType] = []

    async def watch() -> None:
        seen.append((await anext(events)).type)

    async with held_host() as (host, journal), calling(journal) as callers:
        events = host.subscribe()
        callers.start_soon(watch)
        callers.start_soon(host.register, "s", TaskSpec(id="a"))
        await journal.arrived.wait()
        await settle()

        assert seen == []
        journal.let_through()
        await settle()

        assert seen == [EventType.REGISTERED]


async def test_events_that_left_memory_before_they_were_durable_reach_their_subscriber() -> None:
    async with held_host(retain_events=2) as (host, journal):
        events = host.subscribe()
        async with calling(journal) as callers:
            for number in range(10):
                callers.start_soon(host.register, "s", TaskSpec(id=f"t{number}"))
            await journal.arrived.wait()
            await settle()

        assert [(await anext(events)).seq for _ in range(10)] == list(range(1, 11))


async def test_whoever_waits_is_told_that_writing_failed_and_the_batch_goes_first_next_time() -> None:
    async with held_host() as (host, journal):
        journal.error = JournalError("here", "the disk is full")
        journal.let_through()
        with pytest.raises(JournalError, match="the disk is full"):
            await host.register("s", TaskSpec(id="a"))
        journal.error = None
        await host.register("s", TaskSpec(id="b"))

        assert [event.task_id for event in journal.events] == ["a", "b"]


async def test_a_managed_task_whose_registration_failed_never_runs() -> None:
    async with held_host() as (host, journal):
        journal.error = JournalError("here", "the disk is full")
        journal.let_through()
        with pytest.raises(JournalError):
            await host.spawn_managed("s", TaskSpec(id="a"), pytest.fail, "it ran")
        journal.error = None
        record = await host.wait("a")

        assert record.failure is not None
        assert (record.state, record.failure.kind) == (TaskState.FAILED, "not_started")


async def test_completing_again_after_a_failed_write_waits_for_the_next_try() -> None:
    async with held_host() as (host, journal):
        journal.let_through()
        await host.register("s", TaskSpec(id="a"))
        journal.error = JournalError("here", "the disk is full")
        with pytest.raises(JournalError):
            await host.complete("a")
        journal.error = None
        await host.complete("a")

        assert journal.events[-1].type is EventType.COMPLETED


async def test_what_a_journal_must_not_raise_is_told_as_well(caplog: pytest.LogCaptureFixture) -> None:
    async with held_host() as (host, journal):
        journal.error = RuntimeError("a bug")
        journal.let_through()
        with pytest.raises(JournalError, match="RuntimeError: a bug"):
            await host.register("s", TaskSpec(id="a"))

    assert "raised what it should not" in caplog.text


async def test_progress_does_not_pile_up_while_nothing_can_be_written() -> None:
    async with held_host() as (host, journal):
        journal.let_through()
        await host.register("s", TaskSpec(id="a"))
        journal.error = JournalError("here", "the disk is full")
        for done in range(1000):
            await host.update("a", progress=Progress(done=float(done)))
            await checkpoint()
        journal.error = None
        await host.complete("a")

        assert len(journal.events) <= 4
        assert journal.events[-1].record is not None
        assert journal.events[-1].record.progress == Progress(done=999.0)


async def test_closing_a_host_that_cannot_write_says_so_and_leaves_nobody_waiting() -> None:
    journal = HeldJournal()
    journal.let_through()
    ended: list[TaskRecord] = []

    async def wait(host: LocalBackgroundTaskHost) -> None:
        ended.append(await host.wait("a"))

    async def run(waiters: TaskGroup) -> None:
        async with LocalBackgroundTaskHost(journal, stop_grace=0.2) as host:
            await host.register("s", TaskSpec(id="a"))
            waiters.start_soon(wait, host)
            await settle()
            journal.error = JournalError("here", "the disk is full")

    with anyio.fail_after(60):
        async with anyio.create_task_group() as waiters:
            with pytest.raises(JournalError, match="the disk is full"):
                await run(waiters)

    assert [record.state for record in ended] == [TaskState.ABANDONED]


async def test_closing_a_host_whose_disk_hangs_is_bounded_and_tells_who_waits() -> None:
    journal = HeldJournal()
    told: list[JournalError] = []

    async def register(host: LocalBackgroundTaskHost) -> None:
        try:
            await host.register("s", TaskSpec(id="a"))
        except JournalError as error:
            told.append(error)

    async def run(callers: TaskGroup) -> None:
        async with LocalBackgroundTaskHost(journal, stop_grace=0.05) as host:
            callers.start_soon(register, host)
            await journal.arrived.wait()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as callers:
            with pytest.raises(JournalError, match="its host has closed"):
                await run(callers)
    journal.let_through()
    await settle()

    assert len(told) == 1


def test_progress_overtaken_by_progress_is_not_written(history: History) -> None:
    batch = [
        history.register("s", "a"),
        history.progress("s", "a", 1.0),
        history.progress("s", "a", 2.0),
        history.move("s", "a", TaskState.RUNNING),
        history.progress("s", "a", 3.0),
        history.progress("s", "a", 4.0),
    ]

    kept = [(change.event.seq, change.expected) for change in coalesced(batch) if isinstance(change, Append)]

    assert kept == [(1, None), (3, 1), (4, 3), (6, 4)]


def test_progress_of_different_tasks_does_not_overtake_each_other(history: History) -> None:
    batch: Changes = [history.register("s", "a"), history.register("t", "a")]
    batch += [history.progress("s", "a"), history.progress("t", "a"), history.forget("s", "a")]

    assert coalesced(batch) == batch


@pytest.mark.virtual_time
async def test_a_host_does_not_wait_for_ever_for_a_journal_that_does_not_close(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Stuck(HeldJournal):
        async def aclose(self) -> None:
            await anyio.sleep_forever()

    journal = Stuck()
    journal.let_through()
    with anyio.fail_after(60):
        async with LocalBackgroundTaskHost(journal) as host:
            await host.register("s", TaskSpec(id="a"))

    assert "journal" in caplog.text


async def test_who_follows_a_task_whose_end_is_not_durable_yet_hears_of_the_end() -> None:
    followed = list[str]()

    async def follow(host: LocalBackgroundTaskHost) -> None:
        followed.extend([part.text async for part in host.follow_output("a")])
        followed.append("over")

    async with held_host() as (host, journal), calling(journal) as callers:
        journal.let_through()
        await host.register("s", TaskSpec(id="a"))
        journal.hold()
        callers.start_soon(host.complete, "a")
        await journal.arrived.wait()
        callers.start_soon(follow, host)
        await settle()
        assert followed == []
        journal.let_through()

    assert followed == ["over"]


async def test_a_journal_that_does_not_say_which_tasks_it_knows_keeps_their_output(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = anyio.Event()

    class Forgetful(HeldJournal):
        @property
        def output_dir(self) -> Path:  # type: ignore[override]
            return tmp_path

        async def known(self, numbers: Sequence[int]) -> set[int]:
            asked.set()
            raise RuntimeError("no such method")

    (tmp_path / "7").mkdir()
    journal = Forgetful()
    journal.let_through()
    with anyio.fail_after(60):
        async with LocalBackgroundTaskHost(journal):
            await asked.wait()

    assert (tmp_path / "7").is_dir()
    assert "no such method" in caplog.text
