"""A runtime: its plugins, its sessions, its tasks by name, and the order of their lives."""

from collections.abc import Iterable

import anyio
import pytest

from hostel.runtime import (
    InvalidParams,
    NotOffered,
    PluginFailed,
    Runtime,
    TaskKind,
    UnknownKind,
    current_task,
    hookimpl,
)
from hostel.sessions import ClosePolicy, HostClosed, TaskEvent, TaskSpec, TaskState


async def add(left: int, right: int) -> int:
    return left + right


class Adding:
    @hookimpl
    def register_task_kinds(self) -> Iterable[TaskKind]:
        return [TaskKind("add", add)]


def bare_runtime(*plugins: object) -> Runtime:
    return Runtime(plugins=plugins, load_installed=False)


async def test_a_task_is_started_by_the_name_of_its_kind() -> None:
    async with bare_runtime(Adding()) as runtime:
        handle = await runtime.start("s1", "add", {"left": 1, "right": 2}, label="sum")

        assert await handle.wait() == 3
        assert (handle.record.kind, handle.record.producer, handle.record.label) == ("add", "Adding", "sum")


class Titled:
    @hookimpl
    def register_task_kinds(self) -> Iterable[TaskKind]:
        def title(left: int, right: int) -> str:
            return f"{left} and {right // (right - 2)}"

        return [TaskKind("add", add, title=title)]


async def test_a_task_without_a_label_has_the_title_its_kind_gives_it() -> None:
    async with bare_runtime(Titled()) as runtime:
        titled = await runtime.start("s1", "add", {"left": 1, "right": 3})
        labelled = await runtime.start("s1", "add", {"left": 1, "right": 3}, label="sum")

        assert (titled.record.label, labelled.record.label) == ("1 and 3", "sum")


async def test_a_title_that_cannot_be_had_is_noted_and_the_task_starts() -> None:
    async with bare_runtime(Titled()) as runtime:
        handle = await runtime.start("s1", "add", {"left": 1, "right": 2})

        assert await handle.wait() == 3
        assert handle.record.label == ""
        noted = {info.name: info.failure for info in runtime.plugins}["Titled"]
        assert noted is not None
        assert noted.startswith("title of add: ZeroDivisionError")


def test_a_title_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="`title`"):
        TaskKind("add", add, title="sum")  # type: ignore[arg-type]


async def test_an_unknown_kind_names_those_there_are() -> None:
    async with bare_runtime(Adding()) as runtime:
        with pytest.raises(UnknownKind, match=r"there is .*add") as unknown:
            await runtime.start("s1", "subtract")

    assert unknown.value.kind == "subtract"
    assert "add" in unknown.value.known


async def test_params_that_json_cannot_say_are_refused_before_anything_starts() -> None:
    async with bare_runtime(Adding()) as runtime:
        with pytest.raises(InvalidParams):
            await runtime.start("s1", "add", {"left": object()})  # type: ignore[dict-item]

        assert await runtime.tasks.sessions() == []


async def test_two_given_plugins_cannot_register_the_same_kind() -> None:
    class AddingToo(Adding):
        pass

    with pytest.raises(PluginFailed, match="'add' is registered by"):
        async with bare_runtime(Adding(), AddingToo()):
            pytest.fail("entered")


async def test_a_predefined_kind_cannot_be_registered() -> None:
    class Watching:
        @hookimpl
        def register_task_kinds(self) -> Iterable[TaskKind]:
            return [TaskKind("monitor", add)]

    with pytest.raises(PluginFailed, match="predefined"):
        async with bare_runtime(Watching()):
            pytest.fail("entered")


async def test_plugins_offer_things_by_type() -> None:
    class Offering:
        @hookimpl
        async def on_startup(self, runtime: Runtime) -> None:
            runtime.offer(self)

    plugin = Offering()
    async with bare_runtime(plugin) as runtime:
        assert runtime.get(Offering) is plugin
        with pytest.raises(NotOffered, match="nothing of type Adding is offered"):
            runtime.get(Adding)


async def test_of_several_offers_of_a_type_the_latest_is_given() -> None:
    async with bare_runtime() as runtime:
        for offered in ("first", "second"):
            runtime.offer(offered)

        assert runtime.get(str) == "second"


async def test_plugins_stop_in_the_reverse_order_while_tasks_still_run() -> None:
    told: list[str] = []

    class Base:
        name = "base"

        @hookimpl
        def on_startup(self, runtime: Runtime) -> None:
            told.append(f"start {self.name}")

        @hookimpl
        async def on_shutdown(self, runtime: Runtime) -> None:
            live = await runtime.tasks.list()
            told.append(f"stop {self.name} with {len(live)} tasks")

    class Above(Base):
        name = "above"
        requires = ("base",)

    async with bare_runtime(Above(), Base()) as runtime:
        await runtime.tasks.spawn_managed("s1", TaskSpec(), anyio.sleep_forever)

    assert told == ["start base", "start above", "stop above with 1 tasks", "stop base with 1 tasks"]


async def test_a_given_plugin_that_fails_to_start_stops_those_that_had_started() -> None:
    told: list[str] = []

    class Fine:
        name = "fine"

        @hookimpl
        def on_shutdown(self, runtime: Runtime) -> None:
            told.append("stopped")

    class Failing:
        name = "failing"
        requires = ("fine",)

        @hookimpl
        async def on_startup(self, runtime: Runtime) -> None:
            raise OSError("no such device")

    with pytest.raises(PluginFailed, match="'failing' failed: on_startup: OSError: no such device"):
        async with bare_runtime(Fine(), Failing()):
            pytest.fail("entered")

    assert told == ["stopped"]


async def test_on_task_event_is_told_everything_in_order_to_the_very_end() -> None:
    told: list[TaskEvent] = []

    class Listening:
        @hookimpl
        async def on_task_event(self, event: TaskEvent) -> None:
            await anyio.lowlevel.checkpoint()
            told.append(event)

    async with bare_runtime(Listening()) as runtime:
        await runtime.tasks.spawn_managed("s1", TaskSpec(id="t"), anyio.sleep_forever)

    assert [event.type for event in told] == ["registered", "cancel_requested", "cancelled"]
    assert [event.seq for event in told] == [1, 2, 3]


async def test_a_listener_that_raises_hurts_no_task() -> None:
    class Raising:
        @hookimpl
        def on_task_event(self, event: TaskEvent) -> None:
            raise RuntimeError("I do not like this event")

    async with bare_runtime(Adding(), Raising()) as runtime:
        handle = await runtime.start("s1", "add", {"left": 1, "right": 1})
        assert await handle.wait() == 2

    failures = {info.name: info.failure for info in runtime.plugins}
    assert failures["Raising"] == "on_task_event: RuntimeError: I do not like this event"


async def test_leaving_a_session_deals_with_its_tasks_by_their_policy() -> None:
    async with bare_runtime() as runtime:
        async with runtime.session("old", successor="new") as session:
            for policy in ClosePolicy:
                await session.spawn_managed(
                    TaskSpec(id=policy.value, close_policy=policy), anyio.sleep_forever
                )
        found = {
            record.id: (record.session_id, record.state)
            for name in ("old", "new")
            for record in await runtime.tasks.list_managed(name)
        }

    assert found == {
        "keep": ("old", TaskState.RUNNING),
        "cancel": ("old", TaskState.CANCELLED),
        "transfer": ("new", TaskState.RUNNING),
    }


async def test_plugins_are_told_of_sessions_that_open_and_close() -> None:
    told: list[str] = []

    class Telling:
        @hookimpl
        def on_session_opened(self, session_id: str) -> None:
            told.append(f"opened {session_id}")

        @hookimpl
        async def on_session_closed(self, session_id: str) -> None:
            told.append(f"closed {session_id}")

    async with bare_runtime(Telling()) as runtime:
        with pytest.raises(KeyError):
            async with runtime.session("s1"):
                raise KeyError("the user's own error")

    assert told == ["opened s1", "closed s1"]


async def test_a_session_fills_itself_in() -> None:
    async with bare_runtime(Adding()) as runtime, runtime.session("s1") as session:
        handle = await session.start("add", {"left": 2, "right": 2})
        assert (await session.wait(handle.id)).result is not None
        await session.spawn_hidden("flush", anyio.lowlevel.checkpoint)
        await session.await_hidden()
        external = await session.register_external(TaskSpec(kind="subagent"))
        await session.mark_terminal(external.id, TaskState.COMPLETED, summary="well done")

        assert await session.list() == []
        records = await session.list(include_terminal=True)
        assert [record.session_id for record in records] == ["s1", "s1"]


async def test_current_task_is_the_one_whose_body_runs() -> None:
    async def body() -> str:
        return current_task().id

    async with bare_runtime() as runtime:
        handle = await runtime.tasks.spawn_managed("s1", TaskSpec(id="me"), body)
        assert await handle.wait() == "me"
    with pytest.raises(LookupError, match="no hostel task is running here"):
        current_task()


async def test_what_the_application_raises_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with bare_runtime():
            raise ZeroDivisionError


async def test_a_service_runs_until_the_runtime_closes() -> None:
    told: list[str] = []

    async def serve() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            told.append("stopped")

    class Serving:
        @hookimpl
        def on_startup(self, runtime: Runtime) -> None:
            runtime.run_service(serve)

    async with bare_runtime(Serving()):
        await anyio.wait_all_tasks_blocked()
        assert told == []

    assert told == ["stopped"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError("port in use"), "OSError: port in use"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt("mine"), "KeyboardInterrupt: mine"),
    ],
    ids=repr,
)
async def test_a_service_that_raises_is_noted_against_its_plugin(error: BaseException, why: str) -> None:
    async def serve() -> None:
        raise error

    class Serving:
        @hookimpl
        def on_startup(self, runtime: Runtime) -> None:
            runtime.run_service(serve)

    async with bare_runtime(Serving()) as runtime:
        await anyio.wait_all_tasks_blocked()

    assert {info.failure for info in runtime.plugins} >= {f"running: {why}"}


async def test_nothing_works_after_the_runtime_has_closed() -> None:
    async with bare_runtime(Adding()) as runtime:
        pass

    with pytest.raises(HostClosed):
        await runtime.start("s1", "add", {"left": 1, "right": 1})
