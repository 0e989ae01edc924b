"""What plugins can do wrong in a hook, whoever brought them, and that everything else goes on.

Every hook meets every answer and every exception that it should not give. A stranger's mistake is noted in
one sentence; one in what a given or built-in plugin describes, or in its start, is raised. Nothing else is
touched: the task runs to its end, and the plugin beside is called."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType

import anyio
import attrs
import pytest
import trio

from hostel.plugins.batch import Batches
from hostel.plugins.batch import hookspecs as batch_hooks
from hostel.plugins.batch.testing import eventually
from hostel.plugins.model_pull import DownloadManager
from hostel.plugins.model_pull import hookspecs as model_pull_hooks
from hostel.runtime import PluginFailed, Runtime, TaskKind, hookimpl, hookspecs
from hostel.sessions import TaskEvent, TaskSpec, TaskState

from .conftest import Site


async def never() -> None:
    """A coroutine function in a place where none is expected."""


def half() -> Iterator[object]:
    yield TaskKind("half", anyio.sleep)
    raise ValueError("midway")


class Hostile:
    """An object that can be asked for nothing."""

    def __getattribute__(self, name: str) -> object:
        raise SystemExit(name)

    def __iter__(self) -> Iterator[object]:
        raise KeyboardInterrupt

    def __repr__(self) -> str:
        raise SystemExit("repr")


def raising(make: Callable[[], BaseException]) -> Callable[[], object]:
    def call() -> object:
        raise make()

    return call


def trio_cancelled() -> BaseException:
    """A cancellation of trio that was kept for later."""
    kept: list[BaseException] = []

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as error:
                kept.append(error)
                raise

    trio.run(main)
    return kept[0]


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise SystemExit("str")


RAISES: dict[str, Callable[[], object]] = {
    "ValueError": raising(lambda: ValueError("no")),
    "SystemExit": raising(lambda: SystemExit(3)),
    "KeyboardInterrupt": raising(KeyboardInterrupt),
    "GeneratorExit": raising(GeneratorExit),
    "asyncio.CancelledError": raising(asyncio.CancelledError),
    "trio.Cancelled": raising(trio_cancelled),
    "an exception that cannot be shown": raising(Unspeakable),
    "a group": raising(lambda: BaseExceptionGroup("both", [SystemExit(1), ValueError("no")])),
}
ANSWERS: dict[str, Callable[[], object]] = {
    "5": lambda: 5,
    "a text": lambda: "text",
    "a dict": lambda: {"batch": 1},
    "one object": lambda: TaskKind("one", anyio.sleep),
    "a list of a wrong type": lambda: [5],
    "a class": lambda: [TaskKind],
    "a coroutine": never,
    "an async generator": lambda: (x async for x in half()),  # type: ignore[attr-defined]
    "a generator that raises midway": half,
    "a generator without end": lambda: iter(int, 1),
    "a hostile object": Hostile,
    "a hostile object in a list": lambda: [Hostile()],
    "what cannot be called": lambda: [TaskKind("x", 5)],  # type: ignore[arg-type]
}
TOLD = (
    "on_startup",
    "on_shutdown",
    "on_session_opened",
    "on_session_closed",
    "on_task_event",
    "on_download_event",
)
LISTS = ("register_task_kinds", "register_routes", "register_panels", "register_model_sources")
CHOICES = ("choose_quantization", "choose_batch_sender")


def plugin_with(hook: str, function: Callable[[], object], *, is_async: bool = False) -> object:
    """A plugin that answers one hook by calling `function`, and is told of events."""

    async def call_async(self: object) -> object:
        return function()

    def call(self: object) -> object:
        return function()

    return type("Bad", (), {"name": "bad", hook: hookimpl(call_async if is_async else call)})()


class Beside:
    """A plugin that wants to be told everything all the same."""

    name = "beside"

    def __init__(self) -> None:
        self.told: list[str] = []

    @hookimpl
    def on_startup(self) -> None:
        self.told.append("started")

    @hookimpl
    async def on_session_opened(self) -> None:
        self.told.append("opened")

    @hookimpl
    def on_task_event(self, event: TaskEvent) -> None:
        if event.session_id == "s1":
            self.told.append(str(event.type))

    @hookimpl
    def on_session_closed(self) -> None:
        self.told.append("closed")

    @hookimpl
    async def on_shutdown(self) -> None:
        self.told.append("stopped")


EVERYTHING = sorted(["started", "opened", "registered", "completed", "closed", "stopped"])


def alone(*plugins: object) -> Runtime:
    """A runtime with these plugins and no others."""
    return Runtime(plugins, load_installed=False, blocked=["hostel"])


@attrs.frozen
class Life:
    """A runtime that has lived, and what was noted of its plugins."""

    told: list[str]
    failures: dict[str, str | None]
    logged: list[str]


async def live(hook: str, bad: object | None, caplog: pytest.LogCaptureFixture) -> Life:
    """Open a runtime, run a task in a session, ask for all descriptions and close it.

    :param bad: the plugin under test; None if it is installed
    """
    pulls, batches = hook in vars(model_pull_hooks), hook in vars(batch_hooks)
    blocked = ["batch"] if pulls else ["model_pull"] if batches else ["hostel"]
    beside = Beside()
    given = [beside] if bad is None else [bad, beside]
    caplog.set_level(logging.WARNING, "hostel.runtime")
    async with Runtime(given, blocked=blocked) as runtime:
        runtime.plugins.collect(hookspecs.register_routes, runtime)
        runtime.plugins.collect(hookspecs.register_panels)
        async with runtime.session("s1") as session:
            handle = await session.spawn_managed(TaskSpec(), anyio.lowlevel.checkpoint)
            assert (await session.wait(handle.id)).state is TaskState.COMPLETED
        if pulls:
            await runtime.plugins.first(model_pull_hooks.choose_quantization, "org/m", [])
            await _pull(runtime)
        if batches:
            await runtime.get(Batches).work("http://127.0.0.1:9/v1")
            assert runtime.get(Batches).works
    failures = {info.name: info.failure for info in runtime.plugins}
    return Life(sorted(set(beside.told)), failures, caplog.messages)


async def _pull(runtime: Runtime) -> None:
    """Pull a file of this machine, and wait until something is noted."""
    file = Path(os.environ["HF_HOME"]).with_name("m.bin")
    file.write_bytes(b"weights")
    pulled = await runtime.get(DownloadManager).pull(str(file))
    assert pulled.read_bytes() == b"weights"

    async def is_noted() -> bool:
        return any(info.failure for info in runtime.plugins)

    await eventually(is_noted)


CASES = [
    pytest.param(hook, what, id=f"{hook} - {name}")
    for hook in (*TOLD, *LISTS, *CHOICES)
    for name, what in (RAISES if hook in TOLD else RAISES | ANSWERS).items()
]

Install = Callable[[object], None]


@pytest.fixture
def stranger(site: Site, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a plugin object as the distribution `bad-luck`."""

    def install(bad: object) -> None:
        module = ModuleType("made_by_a_test")
        module.bad = bad  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        site.install("bad-luck", f"from {module.__name__} import bad", {"bad": "bad"})

    return install


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


@pytest.mark.parametrize(("hook", "what"), CASES)
async def test_a_strangers_mistake_is_noted_and_harms_nobody(
    hook: str,
    what: Callable[[], object],
    stranger: Install,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stranger(plugin_with(hook, what))
    life = await live(hook, None, caplog)

    assert life.told == EVERYTHING
    failure = life.failures.pop("bad")
    assert failure is not None
    assert failure.startswith(f"{hook}: ")
    assert "\n" not in failure
    assert f"plugin 'bad' of bad-luck failed: {failure}" in life.logged
    assert set(life.failures.values()) == {None}


@pytest.mark.parametrize("hook", TOLD)
@pytest.mark.parametrize("raises", RAISES.values(), ids=RAISES)
async def test_an_async_hook_of_a_stranger_harms_nobody_either(
    hook: str,
    raises: Callable[[], object],
    stranger: Install,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stranger(plugin_with(hook, raises, is_async=True))
    life = await live(hook, None, caplog)

    assert life.told == EVERYTHING
    assert (life.failures["bad"] or "").startswith(f"{hook}: ")


@pytest.mark.parametrize(("hook", "what"), CASES)
async def test_a_given_plugins_mistake_ends_the_start_or_is_noted(
    hook: str, what: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    bad = plugin_with(hook, what)
    if hook.startswith("register_") or hook == "on_startup":
        with pytest.raises(PluginFailed) as failed:
            await live(hook, bad, caplog)
        assert str(failed.value).startswith(f"plugin 'bad' failed: {hook}: ")
        assert "\n" not in str(failed.value)
        return
    life = await live(hook, bad, caplog)

    assert life.told == EVERYTHING
    assert (life.failures["bad"] or "").startswith(f"{hook}: ")


BUILT_IN = """
    from hostel.runtime import hookimpl

    @hookimpl
    def {hook}():
        {does}
"""


@pytest.mark.parametrize("hook", ["register_task_kinds", "on_startup"])
@pytest.mark.parametrize("does", ["raise SystemExit(3)", "raise KeyboardInterrupt", "return 5"])
async def test_a_built_in_plugins_mistake_is_raised_in_one_sentence(site: Site, hook: str, does: str) -> None:
    if (hook, does) == ("on_startup", "return 5"):
        return  # nobody looks at what it answers
    site.install("own", BUILT_IN.format(hook=hook, does=does), {})
    info = site.folder / "hostel-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: hostel\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hostel.plugins]\nown = own\n")

    with pytest.raises(PluginFailed, match=rf"^plugin 'own' of hostel failed: {hook}: ") as failed:
        async with Runtime():
            pytest.fail("entered")

    assert (failed.value.plugin, failed.value.distribution) == ("own", "hostel")


async def test_one_bad_event_handler_goes_on_being_told() -> None:
    told: list[int] = []

    class Bad:
        @hookimpl
        async def on_task_event(self, event: TaskEvent) -> None:
            told.append(event.seq)
            raise asyncio.CancelledError

    async with Runtime([Bad()], load_installed=False) as runtime:
        for _ in range(2):
            handle = await runtime.tasks.spawn_managed("s1", TaskSpec(), anyio.lowlevel.checkpoint)
            await handle.wait()

    assert told == sorted(told)
    assert len(told) == 4


# cancellation and Ctrl-C that are real


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_real_cancellation_arrives_while_a_hook_runs(is_async: bool) -> None:
    entered, release = anyio.Event(), threading.Event()

    async def tell() -> None:
        entered.set()

    class Slow:
        @hookimpl
        def on_session_opened(self) -> Awaitable[None] | None:
            runtime.run_service(tell)
            if is_async:
                return anyio.sleep_forever()
            release.wait()
            return None

    async def open_session() -> None:
        async with runtime.session("s1"):
            pytest.fail("opened")

    async with alone(Slow()) as runtime:
        async with anyio.create_task_group() as group:
            group.start_soon(open_session)
            await entered.wait()
            group.cancel_scope.cancel()
        release.set()

    assert {info.failure for info in runtime.plugins} == {None}


def test_a_cancellation_by_asyncio_itself_arrives_while_a_hook_runs() -> None:
    async def main() -> None:
        entered = asyncio.Event()

        class Slow:
            @hookimpl
            async def on_session_opened(self) -> None:
                entered.set()
                await anyio.sleep_forever()

        async def open_session() -> None:
            async with runtime.session("s1"):
                pytest.fail("opened")

        async with alone(Slow()) as runtime:
            task = asyncio.create_task(open_session())
            await entered.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


# hooks that do not come back


@pytest.mark.virtual_time
async def test_an_async_hook_that_hangs_is_cancelled_and_noted() -> None:
    class Hanging:
        @hookimpl
        async def on_session_opened(self) -> None:
            await anyio.sleep_forever()

    async with alone(Hanging()) as runtime, runtime.session("s1"):
        pass

    assert {info.failure for info in runtime.plugins} == {"on_session_opened: not done after 5 s"}


@pytest.mark.virtual_time
async def test_a_hook_that_ignores_its_cancellation_is_left() -> None:
    release = anyio.Event()

    class Stubborn:
        @hookimpl
        async def on_session_opened(self) -> None:
            with anyio.CancelScope(shield=True):
                await release.wait()

    async with alone(Stubborn()) as runtime:
        async with runtime.session("s1"):
            pass
        release.set()

    assert {info.failure for info in runtime.plugins} == {"on_session_opened: not done after 5 s"}


@pytest.mark.virtual_time
async def test_a_blocked_sync_hook_holds_up_neither_the_others_nor_the_shutdown() -> None:
    release = threading.Event()

    class Blocking:
        name = "blocking"

        @hookimpl
        def on_session_opened(self) -> None:
            release.wait()

        @hookimpl
        def on_session_closed(self) -> None:
            pytest.fail("called beside another one")

    class Quick:
        told: list[str] = []  # noqa: RUF012

        @hookimpl
        async def on_session_opened(self) -> None:
            self.told.append("opened")

    async with alone(Blocking(), Quick()) as runtime, runtime.session("s1"):
        (first,) = [info.failure for info in runtime.plugins if info.name == "blocking"]
    (second,) = [info.failure for info in runtime.plugins if info.name == "blocking"]
    release.set()

    assert first == "on_session_opened: not done after 5 s"
    assert second == "on_session_closed: not called: on_session_opened still runs"
    assert Quick.told == ["opened"]


async def test_sync_hooks_of_a_plugin_run_in_one_thread_that_is_not_the_loops() -> None:
    threads: list[int] = []

    class Sync:
        @hookimpl
        def on_startup(self) -> None:
            threads.append(threading.get_ident())

        @hookimpl
        def on_task_event(self, event: TaskEvent) -> None:
            threads.append(threading.get_ident())

        @hookimpl
        def on_shutdown(self) -> None:
            threads.append(threading.get_ident())

    async with alone(Sync()) as runtime:
        await (await runtime.tasks.spawn_managed("s1", TaskSpec(), anyio.lowlevel.checkpoint)).wait()

    assert len(threads) == 4
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads
