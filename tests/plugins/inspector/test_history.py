"""The history of one task among all events, and the board a reader of streams keeps."""

from hostel.plugins.inspector._board import Board
from hostel.plugins.inspector._history import history, own_events
from hostel.sessions import LocalBackgroundTaskHost, Progress, TaskEvent, TaskRecord, TaskSpec


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


def known(board: Board) -> dict[str, str]:
    return {record.id: record.session_id for _, record in board.live()}


async def test_a_board_takes_news_in_any_order() -> None:
    board = Board()
    async with LocalBackgroundTaskHost() as host:
        await host.register("one", TaskSpec(id="a"))
        await host.register("one", TaskSpec(id="b"))
        await host.transfer("a", "two")
        now: list[TaskRecord] = await host.list()
        board.apply_part("r", now, complete=True)

        stale = [board.apply("r", event) for event in await events_of(host)]
        await host.complete("b")
        fresh = [board.apply("r", event) for event in await events_of(host, after=3)]

    assert known(board) == {"a": "two"}
    assert (stale[1:], fresh) == ([False, False], [True])


async def test_a_snapshot_drops_what_it_does_not_have_once_it_is_complete() -> None:
    board = Board()
    async with LocalBackgroundTaskHost() as host:
        for name in ("a", "b", "c"):
            board.apply_part("r", [await host.register("s", TaskSpec(id=name))], complete=False)
        board.apply_part("r", [], complete=True)
        board.apply_part("r", await host.list(), complete=False)
        board.begin("r")
        records = await host.list()
        board.apply_part("r", records[:1], complete=False)
        assert set(known(board)) == {"a", "b", "c"}
        board.apply_part("r", records[1:2], complete=True)

    assert set(known(board)) == {"a", "b"}
    board.forget("r")
    assert board.tasks == {}
