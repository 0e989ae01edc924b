"""The runtime an application embeds: one host, one registry of plugins, and the order in which they live.

Opening: plugins are loaded, their task kinds collected, the host is opened, then each plugin is started.
Closing goes the other way round: plugins are told while tasks still run, then the host stops them.
Everything is bounded in time."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, TypeVarTuple, Unpack

import anyio
import anyio.from_thread
from anyio import NoEventLoopError
from anyio.lowlevel import current_token

from hostel.sessions import Limits, LocalBackgroundTaskHost, OnStop, TaskSpec
from hostel.sessions.journal import SqliteJournal

from . import hookspecs
from ._errors import NotOffered, NotResumable, PluginFailed
from ._kinds import KindTable, SpecFields, TaskKind
from ._plugins.calling import as_plugin, owner
from ._plugins.outcome import Misbehaved
from ._plugins.registry import PluginRegistry
from ._services import Services
from ._session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from hostel.sessions import (
        BackgroundTaskHost,
        JsonValue,
        TaskEvent,
        TaskHandle,
        TaskRecord,
    )

    from ._plugins.registry import Listener

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Runtime:
    """A host of plugins and of the tasks they run; an async context manager.

    `plugins` are objects with hooks, used beside the built-in and (unless `load_installed` is false) the
    installed ones; names in `blocked` (of plugins or distributions) are left out. `data_dir` is where tasks
    and plugins keep what survives the process, the tasks in its `journal.sqlite3`; None keeps everything in
    memory. With a `data_dir`, tasks of a resumable kind survive the process: leaving the runtime interrupts
    them (or cancels or drains, as `on_stop` says; each step takes at most `stop_grace` seconds), and once all
    plugins of the next one have started, they are run again, as after a crash. Where their kind is not
    registered they wait. Other tasks are cancelled by `host stopped`, or abandoned if the process died.

    Of each session `retain_events` events and `retain_terminal` finished tasks are kept; `retain_bytes`
    bounds what the events of all sessions take in memory, and the finished tasks as much again (with a
    `data_dir` these are on disk alone). `limits` say how many tasks run at once, in all, of a session and of
    a kind, before what a kind says of itself; tasks beyond wait, `pending`, for their turn.

    :raises PluginFailed: on entering, if a built-in or given plugin cannot be used.
    :raises JournalInUse: on entering, if another runtime uses `data_dir`.
    :raises JournalError: on entering, if its journal cannot be used.
    """

    def __init__(
        self,
        plugins: Iterable[object] = (),
        *,
        data_dir: str | Path | None = None,
        load_installed: bool = True,
        blocked: Iterable[str] = (),
        on_stop: OnStop | Literal["interrupt", "cancel", "drain"] = OnStop.INTERRUPT,
        stop_grace: float = 5.0,
        retain_events: int = 10_000,
        retain_terminal: int = 1_000,
        retain_bytes: int = 64 * 1024 * 1024,
        limits: Limits | None = None,
    ) -> None:
        self._on_stop, self._stop_grace = OnStop(on_stop), stop_grace
        self._limits = limits or Limits()
        self._retained = retain_events, retain_terminal, retain_bytes
        self._offers: list[object] = []
        self._started: set[str] = set()
        self._stack = AsyncExitStack()
        self.data_dir = Path(data_dir) if data_dir is not None else None
        self.plugins = PluginRegistry(plugins, blocked=blocked, load_installed=load_installed)
        self._kinds = KindTable(self.plugins.__contains__)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.callback(self.plugins.close)
            self.plugins.load()
            self._collect_kinds()
            self._token = current_token()
            self._services, listeners = Services(self._note_service), Services(self._note_service)
            stack.push_async_callback(listeners.aclose)
            stack.push_async_callback(listeners.drain)
            host = self._host()
            self.tasks: BackgroundTaskHost = await stack.enter_async_context(host)
            for listener in self.plugins.listeners(hookspecs.on_task_event):
                events = self.tasks.subscribe()
                listeners.start(listener.plugin, partial(self._tell_events, listener, events))
            stack.push_async_callback(self._services.aclose)
            for name in self.plugins.start_order():
                await self._start_plugin(name, stack)
            await host.resume(self._body_of)
            if self._on_stop is OnStop.DRAIN:
                stack.push_async_callback(host.drain)  # while the plugins are there, which bodies may need
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    @property
    def kinds(self) -> tuple[TaskKind, ...]:
        """The task kinds of all plugins."""
        return tuple(self._kinds)

    def offer(self, thing: object) -> None:
        """Let others get `thing` by its type; for plugins while they start, for applications before that."""
        self._offers.append(thing)

    def get(self, wanted: type[T]) -> T:
        """Return what a plugin offers of that type; the latest if several do.

        :raises NotOffered: if none does.
        """
        for thing in reversed(self._offers):
            if isinstance(thing, wanted):
                return thing
        raise NotOffered(wanted)

    def run_service(self, func: Callable[[*Args], Awaitable[object]], *args: *Args) -> None:
        """Run `func(*args)` beside all tasks, for the plugin whose code calls this, else for the application;
        it is cancelled when the runtime closes.

        For servers and listeners that plugins start in `on_startup`; what is done for a session belongs in
        a task. May be called in any thread while the runtime is open."""
        start = partial(self._services.start, owner(), partial(func, *args))
        try:
            current_token()
        except NoEventLoopError:
            anyio.from_thread.run_sync(start, token=self._token)
        else:
            start()

    async def start(
        self,
        session_id: str,
        kind: str,
        params: Mapping[str, JsonValue] | None = None,
        **spec: Unpack[SpecFields],
    ) -> TaskHandle[object]:
        """Start a task of a kind that a plugin has registered, by name; without a label it gets the title
        that the kind has for such `params`.

        :raises UnknownKind: if no plugin has, or the one that has was set aside.
        :raises InvalidParams: if `params` are not JSON, or not what the kind takes.
        """
        plugin, body = self._kinds.bind(kind, params or {})
        spec["label"] = spec.get("label") or self._title(plugin, kind, params or {})
        described = TaskSpec(
            kind=kind,
            producer=plugin,
            params=dict(params or {}),
            resumable=self._kinds.is_resumable(kind),
            **spec,
        )
        with as_plugin(plugin):
            return await self.tasks.spawn_managed(session_id, described, body)

    def _title(self, plugin: str, kind: str, params: Mapping[str, JsonValue]) -> str:
        try:
            with as_plugin(plugin):
                return self._kinds.title_of(kind, params)
        except Exception as error:  # noqa: BLE001 - a task starts without a label rather than not at all
            self.plugins.note(plugin, f"title of {kind}", error)
            return ""

    @asynccontextmanager
    async def session(self, session_id: str, *, successor: str | None = None) -> AsyncIterator[Session]:
        """Open a session; leaving the block closes it, each task by its close policy.

        `successor` is the session that takes over the tasks whose policy is to be transferred.
        """
        await self.plugins.notify(hookspecs.on_session_opened, session_id)
        session = Session(self.tasks, session_id, self.start, lambda: self.kinds)
        try:
            yield session
        finally:
            session.leave()
            with anyio.CancelScope(shield=True):
                try:
                    await self.tasks.close_session(session_id, successor=successor)
                finally:
                    await self.plugins.notify(hookspecs.on_session_closed, session_id)

    def _host(self) -> LocalBackgroundTaskHost:
        journal = SqliteJournal(self.data_dir / "journal.sqlite3") if self.data_dir is not None else None
        events, terminal, size = self._retained
        return LocalBackgroundTaskHost(
            journal,
            events,
            terminal,
            retain_bytes=size,
            limits=self._kinds.limits(self._limits),
            on_stop=self._on_stop,
            stop_grace=self._stop_grace,
        )

    def _collect_kinds(self) -> None:
        for name, kind in self.plugins.collect(hookspecs.register_task_kinds):
            try:
                self._kinds.add(name, kind)
            except ValueError as error:
                self.plugins.refuse(name, "register_task_kinds", error)

    async def _start_plugin(self, name: str, stack: AsyncExitStack) -> None:
        fault = await self._try_start(name)
        if fault is not None:
            self._services.cancel(name)
            self.plugins.set_aside(name, "on_startup", fault)
            return
        self._started.add(name)
        stack.push_async_callback(self._stop_plugin, name)

    async def _try_start(self, name: str) -> Misbehaved | None:
        for required in self.plugins.requires(name):
            if required not in self._started:
                return Misbehaved(f"requires {required!r}, which is not there")
        for listener in self.plugins.listeners(hookspecs.on_startup):
            if listener.plugin == name and (fault := await listener.tell(self)):
                if isinstance(fault.__cause__, PluginFailed):
                    raise fault.__cause__  # of another one, whose answer this one has asked for
                return fault
        return None

    async def _stop_plugin(self, name: str) -> None:
        with anyio.CancelScope(shield=True):
            for listener in self.plugins.listeners(hookspecs.on_shutdown):
                if listener.plugin == name:
                    await listener.tell(self)

    async def _tell_events(self, listener: Listener[[TaskEvent]], events: AsyncIterator[TaskEvent]) -> None:
        async for event in events:
            await listener.tell(event)

    def _note_service(self, plugin: str | None, error: BaseException) -> None:
        if plugin is not None:
            self.plugins.note(plugin, "running", error)

    def _body_of(self, record: TaskRecord, params: JsonValue) -> Callable[[], Awaitable[object]] | None:
        """Return the body of a task that an earlier runtime has left, None if its kind is not registered."""
        if record.kind not in self._kinds:
            return None
        if not self._kinds.is_resumable(record.kind) or not isinstance(params, dict):
            raise NotResumable(record.kind)
        return self._kinds.bind(record.kind, params)[1]
