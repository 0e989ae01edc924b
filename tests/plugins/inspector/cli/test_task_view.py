"""The latest record of each task, from events in any order."""

from hostel.plugins.inspector._cli.task_view import Board
from hostel.sessions import LocalBackgroundTaskHost, TaskEvent, TaskRecord, TaskSpec


async def events_of(host: LocalBackgroundTaskHost, after: int = 0) -> list[TaskEvent]:
    return await host.subscribe(after=after).read(10_000)


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
