"""The latest record of each task, from events in any order."""

from hostel.plugins.inspector._cli.task_view import TaskView
from hostel.sessions import LocalBackgroundTaskHost, TaskEvent, TaskRecord, TaskSpec


async def events_of(host: LocalBackgroundTaskHost, after: int = 0) -> list[TaskEvent]:
    return await host.subscribe(after=after).read(10_000)


def known(task_view: TaskView) -> dict[str, str]:
    return {record.id: record.session_id for _, record in task_view.live()}


async def test_a_view_of_tasks_takes_events_in_any_order() -> None:
    task_view = TaskView()
    async with LocalBackgroundTaskHost() as host:
        await host.register("one", TaskSpec(id="a"))
        await host.register("one", TaskSpec(id="b"))
        await host.transfer("a", "two")
        now: list[TaskRecord] = await host.list()
        task_view.apply_part("r", now, complete=True)

        stale = [task_view.apply("r", event) for event in await events_of(host)]
        await host.complete("b")
        fresh = [task_view.apply("r", event) for event in await events_of(host, after=3)]

    assert known(task_view) == {"a": "two"}
    assert (stale[1:], fresh) == ([False, False], [True])


async def test_a_snapshot_drops_what_it_does_not_have_once_it_is_complete() -> None:
    task_view = TaskView()
    async with LocalBackgroundTaskHost() as host:
        for name in ("a", "b", "c"):
            task_view.apply_part("r", [await host.register("s", TaskSpec(id=name))], complete=False)
        task_view.apply_part("r", [], complete=True)
        task_view.apply_part("r", await host.list(), complete=False)
        task_view.begin("r")
        records = await host.list()
        task_view.apply_part("r", records[:1], complete=False)
        assert set(known(task_view)) == {"a", "b", "c"}
        task_view.apply_part("r", records[1:2], complete=True)

    assert set(known(task_view)) == {"a", "b"}
    task_view.forget("r")
    assert task_view.tasks == {}
