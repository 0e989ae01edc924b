"""Inboxes: what ended, asked or told is given until it is acknowledged, once and for every consumer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from hostel.sessions import (
    BackgroundTaskHost,
    Inbox,
    NoticeKind,
    Progress,
    Question,
    TaskSpec,
    TaskState,
    current_task,
)

from .steering import settle
from .test_asking import ask, asking

if TYPE_CHECKING:
    from .conftest import HostFactory


async def ends(host: BackgroundTaskHost, *ids: str, session: str = "s1") -> None:
    for id in ids:
        handle = await host.spawn_managed(session, TaskSpec(id=id), anyio.sleep, 0)
        await handle.wait()


async def drained(inbox: Inbox) -> list[tuple[NoticeKind, str]]:
    return [(notice.kind, notice.task_id) for notice in await inbox.drain()]


async def test_an_end_is_told_until_it_is_acknowledged(host: BackgroundTaskHost) -> None:
    async def work() -> dict[str, int]:
        return {"files": 3}

    inbox = host.inbox("s1")
    await (await host.spawn_managed("s1", TaskSpec(id="t", label="count"), work)).wait()

    (notice,) = await inbox.drain()
    assert (notice.kind, notice.task_id, notice.label) == (NoticeKind.ENDED, "t", "count")
    assert (notice.state, notice.summary) == (TaskState.COMPLETED, '{"files":3}')
    assert await host.inbox("s1").drain() == [notice]
    await inbox.ack(notice)

    assert await inbox.drain() == []
    assert await host.inbox("s1").drain() == []


async def test_each_consumer_acknowledges_for_itself(host: BackgroundTaskHost) -> None:
    await ends(host, "t")
    agent, person = host.inbox("s1"), host.inbox("s1", "person")

    await agent.ack(*await agent.drain())

    assert await drained(agent) == []
    assert await drained(person) == [(NoticeKind.ENDED, "t")]


async def test_what_ended_before_an_inbox_was_first_opened_is_told_too(host: BackgroundTaskHost) -> None:
    await ends(host, "a", "b")
    await ends(host, "elsewhere", session="s2")

    assert await drained(host.inbox("s1")) == [(NoticeKind.ENDED, "a"), (NoticeKind.ENDED, "b")]


async def test_notices_can_be_acknowledged_in_any_order(host: BackgroundTaskHost) -> None:
    await ends(host, "a", "b", "c")
    inbox = host.inbox("s1")
    a, b, c = await inbox.drain()

    await inbox.ack(b)
    assert await drained(inbox) == [(NoticeKind.ENDED, "a"), (NoticeKind.ENDED, "c")]
    await inbox.ack_ids([c.id, "nonsense", "missed-"])
    assert await drained(inbox) == [(NoticeKind.ENDED, "a")]
    await inbox.ack(a)
    await ends(host, "d")

    assert await drained(inbox) == [(NoticeKind.ENDED, "d")]


async def test_iterating_waits_for_the_next_notice_and_gives_each_once(host: BackgroundTaskHost) -> None:
    inbox = host.inbox("s1")
    given: list[str] = []

    async def read() -> None:
        while True:
            given.append((await anext(inbox)).task_id)

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await settle()
        await ends(host, "a")
        while given != ["a"]:
            await anyio.lowlevel.checkpoint()
        await ends(host, "b")
        while given != ["a", "b"]:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()

    assert await drained(inbox) == [(NoticeKind.ENDED, "a"), (NoticeKind.ENDED, "b")]


async def test_more_notices_than_are_given_at_once_are_all_given(host: BackgroundTaskHost) -> None:
    ids = [f"t{number:03}" for number in range(230)]
    await ends(host, *ids)
    inbox = host.inbox("s1")

    given = [await anext(inbox) for _ in ids]

    assert [notice.task_id for notice in given] == ids


async def test_an_open_question_is_told_and_an_answered_one_is_not(host: BackgroundTaskHost) -> None:
    inbox = host.inbox("s1")
    await host.spawn_managed("s1", TaskSpec(id="t"), ask, "may I?")
    await asking(host, "t")

    (notice,) = await inbox.drain()
    assert (notice.kind, notice.summary) == (NoticeKind.ASKED, "may I?")
    assert notice.question is not None
    await inbox.ack(notice)
    assert await inbox.drain() == []
    assert await drained(host.inbox("s1", "person")) == [(NoticeKind.ASKED, "t")]
    await host.answer("t", "yes", question_id=notice.question.id)
    await host.wait("t", consumer="person")

    assert await drained(host.inbox("s1", "person")) == []
    assert await drained(inbox) == [(NoticeKind.ENDED, "t")]


async def test_a_task_that_moves_is_told_in_its_new_session(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t"))
    await host.update("t", state=TaskState.WAITING, question=Question("where?"))
    one, two = host.inbox("s1"), host.inbox("s2")
    await one.ack(*await one.drain())
    await host.transfer("t", "s2")

    assert await drained(one) == []
    assert await drained(two) == [(NoticeKind.ASKED, "t")]
    await host.complete("t", summary="there")
    assert await drained(one) == []
    assert [(notice.kind, notice.summary) for notice in await two.drain()] == [(NoticeKind.ENDED, "there")]


async def test_a_task_tells_what_it_wants_to_be_known(host: BackgroundTaskHost) -> None:
    async def work() -> None:
        await current_task().progress("half of it", notify=True)
        await current_task().progress("more", done=3)
        await current_task().progress("nearly", notify=True)

    await (await host.spawn_managed("s1", TaskSpec(id="t"), work)).wait()
    inbox = host.inbox("s1")
    first, second, end = await inbox.drain()

    assert [first.summary, second.summary] == ["half of it", "nearly"]
    assert [first.kind, second.kind, end.kind] == [NoticeKind.TOLD, NoticeKind.TOLD, NoticeKind.ENDED]
    await inbox.ack(first, end)
    assert [notice.summary for notice in await inbox.drain()] == ["nearly"]


async def test_what_a_wait_has_returned_is_not_told_again(host: BackgroundTaskHost) -> None:
    await ends(host, "a", "b", "c", "d")

    await host.wait("a", consumer="agent")
    await host.wait_any(["b"], consumer="agent")
    await host.wait_all(["c"], consumer="other")

    assert await drained(host.inbox("s1")) == [(NoticeKind.ENDED, "c"), (NoticeKind.ENDED, "d")]


async def test_what_is_forgotten_unread_is_counted(open_host: HostFactory) -> None:
    async with open_host(retain_terminal=2) as host:
        inbox = host.inbox("s1")
        await ends(host, "a")
        await inbox.ack(*await inbox.drain())
        await ends(host, "b", "c", "d", "e")

        first, *others = await inbox.drain()
        assert (first.kind, first.count) == (NoticeKind.MISSED, 2)
        assert [notice.task_id for notice in others] == ["d", "e"]
        await inbox.ack(first)

        assert await drained(inbox) == [(NoticeKind.ENDED, "d"), (NoticeKind.ENDED, "e")]


async def test_a_long_result_is_told_shortly(host: BackgroundTaskHost) -> None:
    async def work(size: int) -> str:
        return "x" * size

    for size in (5_000, 100_000):
        await (await host.spawn_managed("s1", TaskSpec(), partial(work, size))).wait()
    first, second = await host.inbox("s1").drain()

    assert first.summary is not None
    assert len(first.summary) == 2_000
    assert second.summary == "a result of 100002 bytes"


async def test_failures_and_cancellations_are_told_with_their_reasons(host: BackgroundTaskHost) -> None:
    async def fail() -> None:
        raise ValueError("no such file")

    await host.spawn_managed("s1", TaskSpec(id="f"), fail)
    await host.wait("f")
    await host.spawn_managed("s1", TaskSpec(id="c"), anyio.sleep_forever)
    await host.cancel_managed("s1", "c", "not needed")

    notices = await host.inbox("s1").drain()

    assert [(notice.state, notice.summary) for notice in notices] == [
        (TaskState.FAILED, "ValueError: no such file"),
        (TaskState.CANCELLED, "not needed"),
    ]


async def tell(host: BackgroundTaskHost, task_id: str, message: str) -> None:
    await host.update(task_id, progress=Progress(message), notify=True)
    await host.register("another", TaskSpec())  # it is on the disk when this is


async def test_what_a_task_told_stays_where_it_was_told_when_it_moves(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t"))
    await tell(host, "t", "here")
    await host.transfer("t", "s2")
    await tell(host, "t", "there")

    assert [notice.summary for notice in await host.inbox("s1").drain()] == ["here"]
    assert [notice.summary for notice in await host.inbox("s2").drain()] == ["there"]


async def test_what_a_forgotten_task_told_is_counted_as_missed(open_host: HostFactory) -> None:
    async with open_host(retain_terminal=0) as host:
        inbox = host.inbox("s1")
        await inbox.drain()
        await host.register_external("s1", TaskSpec(id="t"))
        await tell(host, "t", "one")
        await tell(host, "t", "two")
        await inbox.ack((await inbox.drain())[0])
        await host.complete("t")

        (missed,) = await inbox.drain()
        assert (missed.kind, missed.count) == (NoticeKind.MISSED, 2)


async def test_whoever_asks_is_found_among_many_tasks(host: BackgroundTaskHost) -> None:
    for id in ("a", "b", "c"):
        await host.register_external("s1", TaskSpec(id=id))
        await host.update(id, state=TaskState.WAITING, question=Question(f"{id}?"))
    await host.answer("a", 1)
    await host.complete("b")

    assert await drained(host.inbox("s1")) == [(NoticeKind.ASKED, "c"), (NoticeKind.ENDED, "b")]
    await host.update("c", state=TaskState.RUNNING)
    assert await drained(host.inbox("s1")) == [(NoticeKind.ENDED, "b")]
