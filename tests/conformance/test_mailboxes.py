"""Messages to a running task: read in order, bounded, refused where nobody would read them."""

from __future__ import annotations

import anyio
import pytest

from hostel.sessions import (
    BackgroundTaskHost,
    CancelPolicy,
    JsonValue,
    MailboxFull,
    TakesNoMessages,
    TaskSpec,
    TaskState,
    UnknownTask,
    current_task,
)

from .steering import Body


async def read(count: int) -> list[JsonValue]:
    read: list[JsonValue] = []
    async for message in current_task().messages():
        read.append(message)
        if len(read) == count:
            break
    return read


async def test_messages_are_read_in_the_order_they_were_sent(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), read, 3)

    sent: list[JsonValue] = ["one", {"two": 2}, None]
    for message in sent:
        await host.send("t", message)

    assert await handle.wait() == ["one", {"two": 2}, None]


async def test_what_was_sent_is_a_copy(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), read, 1)
    message: dict[str, JsonValue] = {"n": 1}
    await host.send("t", message)
    message["n"] = 2

    assert await handle.wait() == [{"n": 1}]


async def test_a_cooperative_reader_ends_when_its_task_is_asked_to_stop(host: BackgroundTaskHost) -> None:
    spec = TaskSpec(id="t", cancel_policy=CancelPolicy.COOPERATIVE)
    read, started = list[JsonValue](), anyio.Event()

    async def work() -> list[JsonValue]:
        async for message in current_task().messages():
            read.append(message)
            started.set()
        return read

    handle = await host.spawn_managed("s1", spec, work)
    await host.send("t", 1)
    await started.wait()
    await handle.cancel()

    assert await handle.wait() == [1]


async def test_a_task_that_moved_is_reached_from_both_sessions(host: BackgroundTaskHost) -> None:
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), read, 2)
    await host.transfer("t", "s2")

    await host.send("t", 1, session_id="s1")
    await host.send("t", 2, session_id="s2")

    assert await handle.wait() == [1, 2]


async def test_a_mailbox_is_bounded_and_says_so(host: BackgroundTaskHost) -> None:
    body = Body()
    await host.spawn_managed("s1", TaskSpec(id="t"), body.run)
    for number in range(100):
        await host.send("t", number)

    with pytest.raises(MailboxFull, match="100 messages"):
        await host.send("t", 100)
    with pytest.raises(ValueError, match="65536 bytes"):
        await host.send("t", "x" * 65_536)
    with pytest.raises(TypeError):
        await host.send("t", object())  # type: ignore[arg-type]


async def test_nobody_reads_what_is_sent_to_an_ended_or_external_task(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="e"))
    handle = await host.spawn_managed("s1", TaskSpec(id="t"), anyio.sleep, 0)
    await handle.wait()

    with pytest.raises(TakesNoMessages, match="'e'"):
        await host.send("e", 1)
    with pytest.raises(TakesNoMessages, match=TaskState.COMPLETED):
        await host.send("t", 1)
    with pytest.raises(UnknownTask):
        await host.send("nobody", 1)
