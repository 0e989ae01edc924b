"""The history of one task among all events."""

from hostel.plugins.inspector._server.task_history import history, own_events
from hostel.sessions import LocalBackgroundTaskHost, Progress, TaskEvent, TaskSpec


async def events_of(host: LocalBackgroundTaskHost, after: int = 0) -> list[TaskEvent]:
    return await host.subscribe(after=after).read(10_000)


async def test_a_history_follows_a_task_through_its_sessions() -> None:
    async with LocalBackgroundTaskHost() as host:
        await host.register("one", TaskSpec(id="a"))
        await host.register("two", TaskSpec(id="b"))
        await host.update("a", progress=Progress("on"))
        await host.transfer("a", "two")
        await host.transfer("a", "three")
        record = await host.complete("a")

        found = await history(host, record)

    assert [event.type for event in found] == [
        "registered",
        "progress",
        "transferred",
        "transferred",
        "completed",
    ]


async def test_namesakes_and_predecessors_are_other_tasks() -> None:
    async with LocalBackgroundTaskHost() as host:
        await host.register("one", TaskSpec(id="a", label="first"))
        await host.complete("a")
        await host.register("two", TaskSpec(id="a", label="namesake"))
        record = await host.register("one", TaskSpec(id="a", label="second"))
        await host.update("a", progress=Progress("of the namesake"), session_id="two")

        found = await history(host, record)

    assert [(event.type, event.record and event.record.label) for event in found] == [
        ("registered", "second")
    ]


async def test_a_history_goes_as_far_back_as_events_are_kept() -> None:
    async with LocalBackgroundTaskHost(retain_events=5) as host:
        await host.register("s", TaskSpec(id="a"))
        for number in range(10):
            await host.register("s", TaskSpec(id=f"t{number}"))
        record = await host.complete("a")

        found = await history(host, record)

    assert [event.type for event in found] == ["completed"]


async def test_a_task_whose_events_are_all_gone_has_no_history() -> None:
    async with LocalBackgroundTaskHost(retain_events=5) as host:
        record = await host.register("s", TaskSpec(id="a"))
        for number in range(10):
            await host.register("s", TaskSpec(id=f"t{number}"))

        assert await history(host, record) == []


async def test_events_after_the_record_are_not_its_history() -> None:
    async with LocalBackgroundTaskHost() as host:
        record = await host.register("s", TaskSpec(id="a"))
        await host.complete("a")

        assert [event.type for event in own_events(await events_of(host), record)] == ["registered"]
