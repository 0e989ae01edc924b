"""The output of tasks: written by whoever runs them, read by offset, followed to the end."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import pytest

from hostel.sessions import (
    EventType,
    IllegalTransition,
    TaskSpec,
    TaskState,
    UnknownTask,
    current_task,
)
from hostel.sessions.spool import SpoolWriter

from .steering import Body, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from hostel.sessions import BackgroundTaskHost

    from .conftest import HostFactory


async def lines(*written: str) -> None:
    for line in written:
        await current_task().write(line)


async def all_of(host: BackgroundTaskHost, task_id: str, after: int = 0) -> str:
    with anyio.fail_after(60):
        return "".join([part.text async for part in host.follow_output(task_id, after)])


async def test_what_a_body_writes_can_be_read_while_it_runs_and_afterwards(host: BackgroundTaskHost) -> None:
    body = Body()

    async def work() -> None:
        await lines("one\n", "two\n")
        await body.run()
        await lines("three\n")

    await host.spawn_managed("s1", TaskSpec(id="t"), work)
    await body.started.wait()
    part = await host.read_output("t")
    assert (part.text, part.start, part.next, part.dropped, part.ended) == ("one\ntwo\n", 0, 8, 0, False)
    body.go.set()
    record = await host.wait("t")

    assert record.output_bytes == 14
    part = await host.read_output("t", part.next)
    assert (part.text, part.next, part.ended) == ("three\n", 14, True)
    assert (await host.read_output("t", -6)).text == "three\n"
    assert await all_of(host, "t") == "one\ntwo\nthree\n"


async def test_output_is_no_event_and_lists_say_how_much_there_is(host: BackgroundTaskHost) -> None:
    body = Body()
    events = host.subscribe()

    async def work() -> None:
        await lines("x" * 1000)
        await body.run()

    await host.spawn_managed("s1", TaskSpec(id="t"), work)
    await body.started.wait()
    (record,) = await host.list()
    body.go.set()
    await host.wait("t")

    assert record.output_bytes == 1000
    assert [event.type for event in await events.read()] == [EventType.REGISTERED, EventType.COMPLETED]


async def test_streams_are_told_apart(host: BackgroundTaskHost) -> None:
    async def work() -> None:
        await current_task().write("out")
        await current_task().write("err", stream="stderr")
        await current_task().write("out")

    await (await host.spawn_managed("s1", TaskSpec(id="t"), work)).wait()

    parts = [part async for part in host.follow_output("t")]
    assert [(part.stream, part.text) for part in parts] == [
        ("stdout", "out"),
        ("stderr", "err"),
        ("stdout", "out"),
    ]


async def test_a_follower_gets_everything_and_ends_with_the_task(host: BackgroundTaskHost) -> None:
    body, followed = Body(), list[str]()

    async def work() -> None:
        await lines("a")
        await body.run()
        await lines("b")

    async def follow() -> None:
        followed.append(await all_of(host, "t"))

    await host.spawn_managed("s1", TaskSpec(id="t"), work)
    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        await settle()
        body.go.set()

    assert followed == ["ab"]


async def test_a_follower_ends_with_the_host(open_host: HostFactory) -> None:
    followed = list[str]()
    async with anyio.create_task_group() as group, open_host() as host:
        await host.register_external("s1", TaskSpec(id="t"))
        await host.write_output("t", "a")

        async def follow() -> None:
            followed.append(await all_of(host, "t"))

        group.start_soon(follow)
        await settle()

    assert followed == ["a"]


async def test_the_owner_of_an_external_task_writes_for_it(host: BackgroundTaskHost) -> None:
    await host.register_external("s1", TaskSpec(id="t"))
    await host.write_output("t", "hello", "log")
    await host.transfer("t", "s2")
    await host.write_output("t", " there", "log", session_id="s1")

    assert (await host.read_output("t")).text == "hello there"
    with pytest.raises(ValueError, match="a stream's name"):
        await host.write_output("t", "x", "Not a stream")
    await host.complete("t")
    with pytest.raises(IllegalTransition):
        await host.write_output("t", "late")
    with pytest.raises(UnknownTask):
        await host.write_output("nobody", "x")
    with pytest.raises(UnknownTask):
        await all_of(host, "nobody")


async def test_what_generators_yield_is_output(host: BackgroundTaskHost) -> None:
    async def tokens() -> AsyncIterator[object]:
        yield "a"
        yield {"b": 1}
        yield None
        yield object()

    def in_thread() -> Iterator[object]:
        yield "c"
        yield 2

    await (await host.spawn_managed("s1", TaskSpec(id="t"), tokens)).wait()
    await (await host.spawn_managed("s1", TaskSpec(id="u"), in_thread)).wait()

    assert await all_of(host, "t") == 'a{"b":1}\nobject object, which is no JSON\n'
    assert await all_of(host, "u") == "c2\n"


async def test_a_body_in_a_thread_writes_as_well(host: BackgroundTaskHost) -> None:
    def work() -> None:
        anyio.from_thread.run(current_task().write, "from a thread")

    await (await host.spawn_managed("s1", TaskSpec(id="t"), work)).wait()

    assert await all_of(host, "t") == "from a thread"


async def test_what_is_dropped_is_said(host: BackgroundTaskHost, host_kind: str) -> None:
    async def work() -> None:
        for _ in range(1024):
            await lines("x" * 1024)
        await lines("end")

    await (await host.spawn_managed("s1", TaskSpec(id="t"), work)).wait()

    parts = [part async for part in host.follow_output("t")]
    assert sum(len(part.text) + part.dropped for part in parts) == 1024 * 1024 + 3
    assert any(part.dropped for part in parts) == (host_kind == "memory")
    assert parts[-1].text.endswith("end")


async def test_a_task_of_the_same_id_begins_with_no_output(host: BackgroundTaskHost) -> None:
    for text in ("first", "second"):
        await (await host.spawn_managed("s1", TaskSpec(id="t"), lines, text)).wait()

        assert await all_of(host, "t") == text


async def test_a_task_without_output_is_read_as_nothing(host: BackgroundTaskHost) -> None:
    await (await host.spawn_managed("s1", TaskSpec(id="t"), anyio.sleep, 0)).wait()

    part = await host.read_output("t")
    assert (part.text, part.next, part.ended) == ("", 0, True)
    assert (await host.get("t")).state is TaskState.COMPLETED  # type: ignore[union-attr]


async def test_tasks_whose_output_others_write_have_folders_side_by_side(host: BackgroundTaskHost) -> None:
    async def work() -> str:
        folder = await current_task().spool()
        with closing(SpoolWriter(folder)) as writer:
            writer.append(b"from outside")
        current_task().spooled(12)
        return str(folder.parent)

    handles = [await host.spawn_managed("s1", TaskSpec(id=str(number)), work) for number in range(8)]

    assert len({await handle.wait() for handle in handles}) == 1
    for handle in handles:
        assert await all_of(host, handle.id) == "from outside"


async def test_notices_have_the_end_of_the_output(host: BackgroundTaskHost) -> None:
    async def work() -> None:
        await lines("x" * 5000, "the end")

    await (await host.spawn_managed("s1", TaskSpec(id="t"), work)).wait()

    (notice,) = await host.inbox("s1").drain()
    assert len(notice.output) == 2048
    assert notice.output.endswith("xthe end")
